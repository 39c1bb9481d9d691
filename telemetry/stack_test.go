package telemetry

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"shoal/batcher"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/serving/rpc"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// stack is both APIs over a batcher, wired with telemetry as the server does it, and a model that gives back its input.
type stack struct {
	t    testing.TB
	tel  *Telemetry
	url  string
	conn *grpc.ClientConn
	http *http.Client
	stop func() // ends all but the collector; what is left to be sent is sent
}

// echo is the one version of the model m. Its executor runs on a device, and waits until hold lets it.
type echo struct {
	serving.Servable
	sig     *tensor.Signature
	batcher *batcher.Batcher
	traces  bool
	entered chan struct{} // where set, a run says that it has begun
	hold    chan struct{} // where set, a run waits for it
	fails   error
}

func (*echo) Device() string { return "fake:0" }

func (e *echo) Signature(string) (*tensor.Signature, bool) { return e.sig, true }

func (e *echo) Describe() *engine.Description { return new(engine.Description) }

// runner is the executor; the servable's Run has other arguments.
type runner struct{ *echo }

func (r runner) Run(b *tensor.Batch) (*tensor.Result, error) {
	if r.entered != nil {
		r.entered <- struct{}{}
	}
	if r.hold != nil {
		<-r.hold
	}
	if r.fails != nil {
		return nil, r.fails
	}
	out := tensor.Tensor{DType: tensor.Float32, Shape: b.Shapes[0]}
	for _, p := range b.Parts {
		out.Data = append(out.Data, p[0].Data...)
	}
	for n := b.Size - b.Rows; n > 0; n-- {
		out.Data = binary.LittleEndian.AppendUint32(out.Data, math.Float32bits(0))
	}
	return &tensor.Result{Outputs: []tensor.Tensor{out}}, nil
}

func (e *echo) Run(ctx context.Context, entry batcher.Entry) (*batcher.Answer, error) {
	if e.traces {
		entry.Trace = TraceOf(ctx)
	}
	return e.batcher.Do(ctx, &entry)
}

// newStack serves model, which may be the zero value.
func newStack(t *testing.T, o Options, cfg batcher.Config, model *echo) *stack {
	t.Helper()
	tel, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	live(tel, "m", 1)
	model.sig = &tensor.Signature{Name: "serving_default", Method: "tensorflow/serving/predict",
		Inputs:  []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1}, TensorName: "x:0"}},
		Outputs: []tensor.Spec{{Name: "y", DType: tensor.Float32, Shape: tensor.Shape{-1}, TensorName: "y:0"}},
	}
	if model.batcher, err = batcher.New(cfg, []batcher.Executor{runner{model}}, nil, tel.BatchObserver("m", 1)); err != nil {
		t.Fatal(err)
	}
	core := &servingtest.Core[*echo]{Loaded: map[string]map[int64]*echo{"m": {1: model}}}
	overREST := rest.Options{Core: core, APIs: []rest.API{v1.New(v1.Options{Core: core})}, Observer: tel, MakeRequestIDs: tel.ShowsRequests(), Timeout: time.Minute}
	overRPC := rpc.Options{Core: core, Observer: tel, MakeRequestIDs: tel.ShowsRequests()}
	model.traces = tel.Tracing()
	s := &stack{t: t, tel: tel, http: &http.Client{Transport: &http.Transport{}}}
	server := rest.New(overREST)
	caller, err := rpc.New(overRPC)
	if err != nil {
		t.Fatal(err)
	}
	restOn, rpcOn := local(t), local(t)
	s.url = "http://" + restOn.Addr().String()
	if s.conn, err = grpc.NewClient(rpcOn.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- server.Serve(restOn) }()
	go func() { served <- caller.Serve(rpcOn) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		s.http.CloseIdleConnections()
		_ = s.conn.Close()
		ctx := context.Background()
		for _, err := range []error{server.Shutdown(ctx), caller.Shutdown(ctx), <-served, <-served} {
			if err != nil {
				t.Error(err)
			}
		}
		model.batcher.Close()
		if err := tel.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

func local(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// predict sends a prediction by REST and gives the answer's code and headers.
func (s *stack) predict(body string, headers ...string) (int, http.Header) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+"/v1/models/m:predict", strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return 0, nil
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Error(err)
		return 0, nil
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// eventually polls a condition of goroutines that use sockets, and so cannot be in fake time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ok() {
		select {
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
