package bodies

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/tensor"
)

// Metadata is what a server says of a model.
type Metadata struct {
	Version    string
	Signatures map[string]*tensor.Signature
}

// ParseMetadata reads the answer to GET /v1/models/NAME/metadata.
func ParseMetadata(document []byte) (*Metadata, error) {
	var doc struct {
		Spec struct {
			Version string `json:"version"`
		} `json:"model_spec"`
		Metadata struct {
			Map json.RawMessage `json:"signature_def"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("the model's metadata: %w", err)
	}
	var defs apis_go_proto.SignatureDefMap
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(doc.Metadata.Map, &defs); err != nil {
		return nil, fmt.Errorf("the model's metadata: %w", err)
	}
	return newMetadata(doc.Spec.Version, &defs), nil
}

// FetchMetadata asks by gRPC.
func FetchMetadata(ctx context.Context, conn *grpc.ClientConn, spec *apis_go_proto.ModelSpec) (*Metadata, error) {
	req := &apis_go_proto.GetModelMetadataRequest{ModelSpec: spec, MetadataField: []string{"signature_def"}}
	resp := new(apis_go_proto.GetModelMetadataResponse)
	if err := conn.Invoke(ctx, "/tensorflow.serving.PredictionService/GetModelMetadata", req, resp); err != nil {
		return nil, err
	}
	defs := new(apis_go_proto.SignatureDefMap)
	if err := proto.Unmarshal(resp.Metadata["signature_def"].GetValue(), defs); err != nil {
		return nil, fmt.Errorf("the model's metadata: %w", err)
	}
	return newMetadata(fmt.Sprint(resp.GetModelSpec().GetVersion().GetValue()), defs), nil
}

func newMetadata(version string, defs *apis_go_proto.SignatureDefMap) *Metadata {
	m := &Metadata{Version: version, Signatures: map[string]*tensor.Signature{}}
	for name, def := range defs.GetSignatureDef() {
		if inputs := specs(def.GetInputs()); len(inputs) > 0 {
			m.Signatures[name] = &tensor.Signature{Name: name, Method: def.GetMethodName(), Inputs: inputs, Outputs: specs(def.GetOutputs())}
		}
	}
	return m
}

func specs(infos map[string]*pb.TensorInfo) []tensor.Spec {
	var list []tensor.Spec
	for name, info := range infos {
		s := tensor.Spec{Name: name, DType: tensor.DType(info.GetDtype()), TensorName: info.GetName()}
		if shape := info.GetTensorShape(); shape == nil || shape.GetUnknownRank() {
			s.UnknownRank = true
		} else {
			for _, d := range shape.GetDim() {
				s.Shape = append(s.Shape, max(d.GetSize(), -1))
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b tensor.Spec) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Signature finds the signature to call: the one named, or the default one, or the only one.
func (m *Metadata) Signature(name string) (*tensor.Signature, error) {
	if sig := m.Signatures[cmp.Or(name, DefaultSignature)]; sig != nil {
		return sig, nil
	}
	names := slices.Sorted(maps.Keys(m.Signatures))
	if name == "" && len(names) == 1 {
		return m.Signatures[names[0]], nil
	}
	return nil, fmt.Errorf("the model has no signature %q; it has %s (--signature)", cmp.Or(name, DefaultSignature), strings.Join(names, ", "))
}
