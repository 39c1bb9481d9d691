package web

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// fasthttp has a goroutine for the date, which lives as long as the process, and one that cleans a stopped server's pool,
// which notices the stop when it wakes.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// fakeCore serves models that a test adds to while it is used.
type fakeCore struct {
	mu      sync.Mutex
	models  []serving.ModelStatus
	loaded  map[key]*half
	reasons []string
}

func newFakeCore() *fakeCore { return &fakeCore{loaded: make(map[key]*half)} }

// load makes a version available, newest first.
func (f *fakeCore) load(t testing.TB, model string, version int64, o batcher.Observer, labels ...string) {
	t.Helper()
	f.serve(model, version, newHalf(t, o), labels...)
}

func (f *fakeCore) serve(model string, version int64, s *half, labels ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded[key{model, version}] = s
	f.put(model, serving.VersionStatus{Version: version, State: serving.Available, Labels: labels, Report: &serving.Report{
		MaxBatchSize: 32, BatchSizeFrom: "measured", Instances: 2, Load: 250 * time.Millisecond, Memory: 12_700_000,
	}})
}

// fail tells that a version could not be loaded.
func (f *fakeCore) fail(model string, version int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(model, serving.VersionStatus{Version: version, State: serving.End, Err: err})
}

func (f *fakeCore) put(model string, v serving.VersionStatus) {
	i := slices.IndexFunc(f.models, func(m serving.ModelStatus) bool { return m.Name == model })
	if i < 0 {
		i = len(f.models)
		f.models = append(f.models, serving.ModelStatus{
			Name: model, BasePath: "/models/" + model, Platform: "tensorflow", Configured: true, Labels: map[string]int64{},
		})
	}
	m := &f.models[i]
	m.Versions = append([]serving.VersionStatus{v}, m.Versions...)
	for _, l := range v.Labels {
		m.Labels[l] = v.Version
	}
}

func (f *fakeCore) Handle(spec serving.ModelSpec) (*serving.Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.models {
		for _, v := range m.Versions {
			wanted := spec.Version == nil || *spec.Version == v.Version
			if m.Name == spec.Model && v.State == serving.Available && wanted && (spec.Label == "" || slices.Contains(v.Labels, spec.Label)) {
				return serving.NewHandle(f.loaded[key{m.Name, v.Version}], m.Name, v.Version, nil), nil
			}
		}
	}
	return nil, status.Errorf(codes.NotFound, "Servable not found for request: %s", spec)
}

func (f *fakeCore) Status(string, *int64) ([]serving.VersionStatus, error) {
	return nil, status.Error(codes.Unimplemented, "not in this test")
}

func (f *fakeCore) Models() []serving.ModelStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.models)
}

func (f *fakeCore) Ready() (bool, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.reasons) == 0, slices.Clone(f.reasons)
}

func newPage(core serving.Core, o Options) *Page {
	p := New(o)
	p.Watch(core)
	return p
}

// half is y = x/2 behind a real batcher, for each of its signatures.
type half struct {
	servingtest.Model
	*batcher.Batcher
}

func newHalf(t testing.TB, o batcher.Observer) *half {
	t.Helper()
	b, err := batcher.New(batcher.Config{MaxBatchSize: 32, AllowedBatchSizes: []int{1, 4, 16, 32}}, []batcher.Executor{halver{}, halver{}}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	spec := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, DType: tensor.Float32, Shape: tensor.Shape{-1}, TensorName: name + ":0"}}
	}
	return &half{Batcher: b, Model: servingtest.Model{Signatures: map[string]*tensor.Signature{
		"serving_default": {Name: "serving_default", Method: "tensorflow/serving/predict", Inputs: spec("x"), Outputs: spec("y")},
	}}}
}

func (h *half) Close() { h.Batcher.Close() }

func (h *half) Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error) {
	return h.Do(ctx, &e)
}

// halver is a device: it takes a millisecond or a few, and sometimes many.
type halver struct{}

func (halver) Run(b *tensor.Batch) (*tensor.Result, error) {
	took := time.Millisecond + time.Duration(rand.ExpFloat64()*float64(time.Millisecond))
	<-time.After(took)
	data := make([]byte, 0, 4*b.Size)
	for _, part := range b.Parts {
		for in := part[0].Data; len(in) >= 4; in = in[4:] {
			x := math.Float32frombits(binary.LittleEndian.Uint32(in))
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x/2))
		}
	}
	data = append(data, make([]byte, 4*b.Size-len(data))...)
	return &tensor.Result{Outputs: []tensor.Tensor{{DType: tensor.Float32, Shape: slices.Clone(b.Shapes[0]), Data: data}}}, nil
}
