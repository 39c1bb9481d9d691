// Package signaturedef describes signatures in the messages of TensorFlow Serving's metadata API, for engines whose models have no
// such description of their own.
package signaturedef

import (
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/tensor"
)

// Of makes the SignatureDefMap of signatures, by name. Default values of inputs are not part of it.
func Of(signatures map[string]*tensor.Signature) *apis_go_proto.SignatureDefMap {
	defs := make(map[string]*pb.SignatureDef, len(signatures))
	for name, s := range signatures {
		//lint:ignore SA1019 deprecated, and still what tells classify and regress from predict
		defs[name] = &pb.SignatureDef{MethodName: s.Method, Inputs: infos(s.Inputs), Outputs: infos(s.Outputs)}
	}
	return &apis_go_proto.SignatureDefMap{SignatureDef: defs}
}

func infos(specs []tensor.Spec) map[string]*pb.TensorInfo {
	all := make(map[string]*pb.TensorInfo, len(specs))
	for _, s := range specs {
		shape := &tensor_shape_go_proto.TensorShapeProto{UnknownRank: s.UnknownRank}
		for _, n := range s.Shape {
			shape.Dim = append(shape.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: n})
		}
		all[s.Name] = &pb.TensorInfo{
			Encoding: &pb.TensorInfo_Name{Name: s.TensorName}, Dtype: types_go_proto.DataType(s.DType), TensorShape: shape,
		}
	}
	return all
}
