package tensorflow

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/engine"
	"shoal/internal/files"
	"shoal/tensor"
)

// Field numbers of SavedModel and MetaGraphDef.
const (
	fieldMetaGraphs  = 2
	fieldGraphDef    = 2
	fieldCollections = 4
	fieldObjectGraph = 7
)

// ReadMetaGraph reads the meta graph with exactly these tags from dir/saved_model.pb, without the graph itself (which can be
// hundreds of megabytes): signatures, assets, tags, versions.
func ReadMetaGraph(dir string, tags []string) (*pb.MetaGraphDef, error) {
	mg, _, err := findMetaGraph(dir, tags)
	return mg, err
}

// readGraph reads the same meta graph with its graph, which can take several times the file's size in memory.
func readGraph(dir string, tags []string) (*pb.MetaGraphDef, error) {
	_, raw, err := findMetaGraph(dir, tags)
	if err != nil {
		return nil, err
	}
	mg := new(pb.MetaGraphDef)
	if err := proto.Unmarshal(raw, mg); err != nil {
		return nil, status.Errorf(codes.DataLoss, "%s: meta graph: %v", dir, err)
	}
	return mg, nil
}

// findMetaGraph returns a meta graph without its graph, and its complete encoding.
func findMetaGraph(dir string, tags []string) (*pb.MetaGraphDef, []byte, error) {
	file := filepath.Join(dir, "saved_model.pb")
	raw, err := files.Read(file, files.MaxMessage)
	if err != nil {
		return nil, nil, status.Errorf(codes.NotFound, "no SavedModel in %s: %v", dir, err)
	}
	var found []string
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return nil, nil, status.Errorf(codes.DataLoss, "%s is not a SavedModel: %v", file, protowire.ParseError(n))
		}
		raw = raw[n:]
		m := protowire.ConsumeFieldValue(num, typ, raw)
		if m < 0 {
			return nil, nil, status.Errorf(codes.DataLoss, "%s is not a SavedModel: %v", file, protowire.ParseError(m))
		}
		if num == fieldMetaGraphs && typ == protowire.BytesType {
			body, _ := protowire.ConsumeBytes(raw)
			mg, err := parseMetaGraph(body)
			if err != nil {
				return nil, nil, status.Errorf(codes.DataLoss, "%s: %v", file, err)
			}
			have := slices.Clone(mg.GetMetaInfoDef().GetTags())
			if sameSet(have, tags) {
				return mg, body, nil
			}
			found = append(found, "{"+strings.Join(have, ",")+"}")
		}
		raw = raw[m:]
	}
	return nil, nil, status.Errorf(codes.NotFound, "%s has no meta graph with the tags {%s} (--saved_model_tags); it has %s",
		file, strings.Join(tags, ","), cmp.Or(strings.Join(found, " "), "none"))
}

// parseMetaGraph decodes a MetaGraphDef without its graph, collections and object graph.
func parseMetaGraph(raw []byte) (*pb.MetaGraphDef, error) {
	slim := make([]byte, 0, 4096)
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return nil, fmt.Errorf("meta graph: %w", protowire.ParseError(n))
		}
		m := protowire.ConsumeFieldValue(num, typ, raw[n:])
		if m < 0 {
			return nil, fmt.Errorf("meta graph: %w", protowire.ParseError(m))
		}
		if num != fieldGraphDef && num != fieldCollections && num != fieldObjectGraph {
			slim = append(slim, raw[:n+m]...)
		}
		raw = raw[n+m:]
	}
	mg := new(pb.MetaGraphDef)
	if err := proto.Unmarshal(slim, mg); err != nil {
		return nil, fmt.Errorf("meta graph: %w", err)
	}
	return mg, nil
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// Describe turns a meta graph's signature_def into signatures. Those with sparse or composite tensors are skipped. TensorFlow's own
// "__saved_model_init_op" is none. Default values are left out.
func Describe(mg *pb.MetaGraphDef) engine.Description {
	d := engine.Description{
		Signatures: make(map[string]*tensor.Signature), Skipped: make(map[string]string),
		Metadata: &apis_go_proto.SignatureDefMap{SignatureDef: mg.GetSignatureDef()},
	}
	for name, def := range mg.GetSignatureDef() {
		if name == "__saved_model_init_op" || name == "__saved_model_train_op" {
			continue
		}
		if why := cmp.Or(unsupported("input", def.GetInputs()), unsupported("output", def.GetOutputs())); why != "" {
			d.Skipped[name] = why
			continue
		}
		d.Signatures[name] = &tensor.Signature{
			Name: name, Method: def.GetMethodName(), Inputs: specs(def.GetInputs()), Outputs: specs(def.GetOutputs()),
		}
	}
	return d
}

// unsupported returns which of a signature's inputs or outputs is not a dense tensor; "": none.
func unsupported(side string, infos map[string]*pb.TensorInfo) string {
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		if kind := structure(infos[name]); kind != "" {
			return fmt.Sprintf("its %s %q is %s; only dense tensors are supported", side, name, kind)
		}
	}
	return ""
}

// structure returns the name of a structure that consists of several tensors; "" for a single tensor.
func structure(info *pb.TensorInfo) string {
	switch {
	case info.GetCooSparse() != nil:
		return "a sparse tensor"
	case info.GetCompositeTensor() != nil:
		class := info.GetCompositeTensor().GetTypeSpec().GetTypeSpecClass()
		if name, ok := strings.CutSuffix(class.String(), "_TENSOR_SPEC"); ok {
			return "a " + strings.ToLower(name) + " tensor"
		}
		return "a composite tensor"
	case info.GetName() == "":
		return "no tensor of the graph"
	}
	return ""
}

func specs(infos map[string]*pb.TensorInfo) []tensor.Spec {
	var list []tensor.Spec
	for name, info := range infos {
		s := tensor.Spec{Name: name, DType: tensor.DType(info.GetDtype()), TensorName: info.GetName()}
		if sh := info.GetTensorShape(); sh == nil || sh.GetUnknownRank() {
			s.UnknownRank = true
		} else {
			s.Shape = make(tensor.Shape, len(sh.GetDim()))
			for i, d := range sh.GetDim() {
				s.Shape[i] = max(d.GetSize(), -1)
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b tensor.Spec) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
