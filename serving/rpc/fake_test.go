package rpc

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"go.uber.org/goleak"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type runFunc func(ctx context.Context, in []tensor.Tensor, deadline time.Time) ([]tensor.Tensor, error)

// model is a servable whose signatures are Go functions.
type model struct {
	servingtest.Model
	runs map[string]runFunc
}

func newModel() *model {
	m := &model{runs: map[string]runFunc{}}
	m.Signatures = map[string]*tensor.Signature{}
	m.Metadata = &apis_go_proto.SignatureDefMap{SignatureDef: map[string]*for_core_protos_go_proto.SignatureDef{}}
	m.Compute = func(ctx context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
		return m.runs[e.Signature.Name](ctx, e.Inputs, e.Deadline)
	}
	return m
}

// add gives the model a signature; shapes are of no interest here.
func (m *model) add(name, method string, in, out map[string]tensor.DType, run runFunc) *model {
	specs := func(types map[string]tensor.DType) (list []tensor.Spec) {
		for alias, d := range types {
			list = append(list, tensor.Spec{Name: alias, DType: d, UnknownRank: true, TensorName: name + "_" + alias + ":0"})
		}
		slices.SortFunc(list, func(a, b tensor.Spec) int { return cmp.Compare(a.Name, b.Name) })
		return list
	}
	m.Signatures[name] = &tensor.Signature{Name: name, Method: method, Inputs: specs(in), Outputs: specs(out)}
	m.runs[name] = run
	//lint:ignore SA1019 deprecated, and still what tells classify and regress from predict
	m.Metadata.SignatureDef[name] = &for_core_protos_go_proto.SignatureDef{MethodName: method}
	return m
}

// core serves models by hand.
type core = servingtest.Core[*model]

// newCore has the models that the recorded answers were taken with.
func newCore() *core {
	available := func(versions ...int64) (list []serving.VersionStatus) {
		for _, v := range versions {
			list = append(list, serving.VersionStatus{Version: v, State: serving.Available})
		}
		return list
	}
	return &core{
		Loaded: map[string]map[int64]*model{
			"half_plus_two": {1: halfPlus(2), 2: halfPlus(3)},
			"identity":      {1: identity()},
			"multi":         {1: multi()},
			"fixed":         {1: fixed()},
			"nonbatch":      {1: nonBatch()},
			"scalar":        {1: scalar()},
		},
		Labels:   map[string]int64{"stable": 1, "canary": 2},
		Statuses: []serving.ModelStatus{{Name: "half_plus_two", Versions: available(2, 1)}, {Name: "identity", Versions: available(1)}},
	}
}

// tensorProto makes the message of a tensor without elements.
