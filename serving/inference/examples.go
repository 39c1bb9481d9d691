package inference

import (
	"github.com/wamuir/graft/tensorflow/serving/apis/internal_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Examples returns the examples of an input, each serialised, its context merged into every one of them. An input
// without examples gives none and no error: Classify and the others answer "Input is empty." after their own checks.
func Examples(in *apis_go_proto.Input) ([][]byte, error) {
	wire, err := proto.Marshal(in)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "Input failed to serialize. Size = %d", proto.Size(in))
	}
	return SerializedExamples(wire)
}

// SerializedExamples is Examples for an Input that is still serialised. The examples themselves are not parsed: the
// model's own parsing op reads them, and reports what is wrong with them. They do not share memory with input.
func SerializedExamples(input []byte) ([][]byte, error) {
	var in internal_go_proto.SerializedInput
	if err := proto.Unmarshal(input, &in); err != nil {
		return nil, status.Error(codes.Internal, "Error parsing serialized input.")
	}
	switch kind := in.GetKind().(type) {
	case *internal_go_proto.SerializedInput_ExampleList:
		return kind.ExampleList.GetExamples(), nil
	case *internal_go_proto.SerializedInput_ExampleListWithContext:
		return withContext(kind.ExampleListWithContext), nil
	}
	return nil, nil
}

// withContext puts the context in front of each example: serialised messages that follow one another are read as one
// merged message, in which an example's own feature, coming last, wins.
func withContext(list *internal_go_proto.SerializedExampleListWithContext) [][]byte {
	context := list.GetContext()
	merged := list.GetExamples()
	for i, e := range merged {
		merged[i] = append(context[:len(context):len(context)], e...)
	}
	return merged
}
