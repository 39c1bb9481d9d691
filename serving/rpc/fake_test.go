package rpc

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type runFunc func(ctx context.Context, in []tensor.Tensor, deadline time.Time) ([]tensor.Tensor, error)

// model is a servable whose signatures are Go functions.
type model struct {
	sigs map[string]*tensor.Signature
	runs map[string]runFunc
	meta *for_core_protos_go_proto.MetaGraphDef
}

func newModel() *model {
	return &model{
		sigs: map[string]*tensor.Signature{},
		runs: map[string]runFunc{},
		meta: &for_core_protos_go_proto.MetaGraphDef{SignatureDef: map[string]*for_core_protos_go_proto.SignatureDef{}},
	}
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
	m.sigs[name] = &tensor.Signature{Name: name, Method: method, Inputs: specs(in), Outputs: specs(out)}
	m.runs[name] = run
	//lint:ignore SA1019 deprecated, and still what tells classify and regress from predict
	m.meta.SignatureDef[name] = &for_core_protos_go_proto.SignatureDef{MethodName: method}
	return m
}

func (m *model) Close()                                            {}
func (m *model) MetaGraph() *for_core_protos_go_proto.MetaGraphDef { return m.meta }

func (m *model) Signature(name string) (*tensor.Signature, bool) {
	s, ok := m.sigs[cmp.Or(name, "serving_default")]
	return s, ok
}

func (m *model) Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error) {
	for i := range e.Inputs {
		if err := e.Inputs[i].Check(); err != nil {
			return nil, err
		}
	}
	out, err := m.runs[e.Signature.Name](ctx, e.Inputs, e.Deadline)
	if err != nil {
		return nil, err
	}
	return &batcher.Answer{Outputs: out, BatchRows: 1, BatchSize: 1}, nil
}

// core serves models by hand.
type core struct {
	mu       sync.Mutex
	versions map[string]map[int64]*model
	labels   map[string]int64
	statuses map[string][]serving.VersionStatus
	reasons  []string // why it is not ready
	pinned   int
}

func (c *core) Handle(spec serving.Spec) (*serving.Handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if spec.Label != "" {
		v, ok := c.labels[spec.Label]
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "Unrecognized servable version label: %s", spec.Label)
		}
		spec.Version = &v
	}
	var version int64
	for v := range c.versions[spec.Model] {
		if spec.Version == nil || v == *spec.Version {
			version = max(version, v)
		}
	}
	m, ok := c.versions[spec.Model][version]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Servable not found for request: %v", spec)
	}
	c.pinned++
	return serving.NewHandle(m, spec.Model, version, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pinned--
	}), nil
}

func (c *core) Status(name string, version *int64) ([]serving.VersionStatus, error) {
	all := c.statuses[name]
	if version == nil {
		if len(all) == 0 {
			return nil, status.Errorf(codes.NotFound, "Could not find any versions of model %s", name)
		}
		return all, nil
	}
	for _, v := range all {
		if v.Version == *version {
			return []serving.VersionStatus{v}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "Could not find version %d of model %s", *version, name)
}

func (c *core) Models() []serving.ModelStatus { return nil }

func (c *core) Ready() (bool, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.reasons) == 0, c.reasons
}

func (c *core) setReasons(reasons ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons = reasons
}

// newCore has the models that the recorded answers were taken with.
func newCore() *core {
	available := func(versions ...int64) (list []serving.VersionStatus) {
		for _, v := range versions {
			list = append(list, serving.VersionStatus{Version: v, State: serving.Available})
		}
		return list
	}
	return &core{
		versions: map[string]map[int64]*model{
			"half_plus_two": {1: halfPlus(2), 2: halfPlus(3)},
			"identity":      {1: identity()},
			"multi":         {1: multi()},
			"fixed":         {1: fixed()},
			"nonbatch":      {1: nonBatch()},
			"scalar":        {1: scalar()},
		},
		labels:   map[string]int64{"stable": 1, "canary": 2},
		statuses: map[string][]serving.VersionStatus{"half_plus_two": available(2, 1), "identity": available(1)},
	}
}

// tensorProto makes the message of a tensor without elements.
