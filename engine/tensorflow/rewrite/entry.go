package rewrite

import (
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// DefaultSignature is the key of the signature that every loader knows.
const DefaultSignature = "serving_default"

// Only leaves one signature in the meta graph, as serving_default, and nothing that the loader would run or read besides. It
// reports whether there is such a signature.
func Only(mg *pb.MetaGraphDef, signature string) bool {
	def := mg.SignatureDef[signature]
	mg.SignatureDef = map[string]*pb.SignatureDef{DefaultSignature: def}
	mg.CollectionDef, mg.AssetFileDef = nil, nil
	return def != nil
}

// signatureTensors lists the tensors that the signatures feed and fetch, without those that TensorFlow's loader uses itself.
func signatureTensors(mg *pb.MetaGraphDef) (names []string) {
	for key, sig := range mg.SignatureDef {
		if strings.HasPrefix(key, "__saved_model_") {
			continue
		}
		for _, infos := range []map[string]*pb.TensorInfo{sig.Inputs, sig.Outputs} {
			for _, info := range infos {
				names = append(names, infoTensors(info)...)
			}
		}
	}
	return names
}

func infoTensors(info *pb.TensorInfo) (names []string) {
	switch e := info.GetEncoding().(type) {
	case *pb.TensorInfo_Name:
		return []string{e.Name}
	case *pb.TensorInfo_CooSparse_:
		return []string{e.CooSparse.ValuesTensorName, e.CooSparse.IndicesTensorName, e.CooSparse.DenseShapeTensorName}
	case *pb.TensorInfo_CompositeTensor_:
		for _, c := range e.CompositeTensor.Components {
			names = append(names, infoTensors(c)...)
		}
	}
	return names
}

// initOps lists the ops that the loader may run after the restore: TensorFlow 2's signature, TensorFlow 1's collections.
func initOps(mg *pb.MetaGraphDef) (names []string) {
	for _, out := range mg.SignatureDef["__saved_model_init_op"].GetOutputs() {
		names = append(names, out.GetName())
	}
	for _, collection := range []string{"saved_model_main_op", "legacy_init_op", "saved_model_init_op"} {
		names = append(names, mg.CollectionDef[collection].GetNodeList().GetValue()...)
	}
	return names
}

// assetTensors lists the tensors that the loader feeds with the paths of assets.
func assetTensors(mg *pb.MetaGraphDef) (names []string) {
	for _, a := range mg.AssetFileDef {
		names = append(names, a.TensorInfo.GetName())
	}
	for _, a := range mg.CollectionDef["saved_model_assets"].GetAnyList().GetValue() {
		var def pb.AssetFileDef
		if a.UnmarshalTo(&def) == nil {
			names = append(names, def.TensorInfo.GetName())
		}
	}
	return names
}
