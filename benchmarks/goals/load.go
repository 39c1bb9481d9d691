package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/benchmarks/limits"
	"shoal/loadtest/bodies"
	"shoal/loadtest/load"
	"shoal/serving/oip/inferencepb"
	"shoal/tensor"
)

// measured is a closed loop's outcome with what it cost the server.
type measured struct {
	*load.Summary
	cpu    time.Duration // the server's, for a request
	client time.Duration // this process's, for a request
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// drive runs a closed loop and reads the server's processor time around it. Anything but good answers is an error: a server
// that refuses is fast.
func drive(ctx context.Context, p *limits.Process, t load.Target, clients int, d time.Duration) (*measured, error) {
	o := load.Options{Clients: clients, Duration: d + d/4, Warmup: d / 4, Timeout: time.Minute}
	before, err := p.CPU()
	if err != nil {
		return nil, err
	}
	own := ownCPU()
	a, err := load.Start(ctx, t, o)
	if err != nil {
		return nil, err
	}
	answered := 0
	rec := load.NewRecorder(o, 0)
	for block := range a.Results() {
		answered += len(block)
		rec.Add(block)
	}
	s := rec.Summary(a.Totals())
	own = ownCPU() - own
	after, err := p.CPU()
	if err != nil {
		return nil, err
	}
	if s.Good != s.Sent || s.Good == 0 {
		return nil, fmt.Errorf("of %d requests %d were answered well; codes %v", s.Sent, s.Good, s.Codes)
	}
	each := time.Duration(max(answered, 1))
	return &measured{s, (after - before) / each, own / each}, ctx.Err()
}

// work is a model's requests with so many instances each, in all forms.
type work struct {
	model  string
	rest   []load.Body
	binary []load.Body // of the Open Inference Protocol by REST
	grpc   []load.Body
	raw    []load.Body // of the Open Inference Protocol by gRPC, with raw tensors
	answer []byte      // to the first of rest
}

// newWork asks the server for the model's metadata and for one answer, whose bytes the echo will send.
func newWork(p *limits.Process, model string, rows, count int) (*work, error) {
	doc, err := get(http.Get("http://" + p.REST + "/v1/models/" + model + "/metadata"))
	if err != nil {
		return nil, err
	}
	meta, err := bodies.ParseMetadata(doc)
	if err != nil {
		return nil, err
	}
	sig, err := meta.Signature("")
	if err != nil {
		return nil, err
	}
	w := &work{model: model}
	if err := w.make(sig, rows, count); err != nil {
		return nil, err
	}
	w.answer, err = get(http.Post(w.url(p.REST), "application/json", strings.NewReader(string(w.rest[0].Data))))
	return w, err
}

func (w *work) make(sig *tensor.Signature, rows, count int) error {
	sizes, err := bodies.ParseSizes(fmt.Sprint(rows))
	if err != nil {
		return err
	}
	requests, err := bodies.Random{Signature: sig, Sizes: sizes, Seed: 1}.Requests(count)
	if err != nil {
		return err
	}
	spec := specOf(w.model)
	for _, r := range requests {
		rest, err := bodies.REST(sig, r)
		if err != nil {
			return err
		}
		grpc, err := bodies.GRPC(spec, sig, r)
		if err != nil {
			return err
		}
		raw, err := bodies.Inference(w.model, sig, r)
		if err != nil {
			return err
		}
		w.rest, w.binary = append(w.rest, rest), append(w.binary, binaryBody(sig, r))
		w.grpc, w.raw = append(w.grpc, grpc), append(w.raw, raw)
	}
	return nil
}

func (w *work) url(address string) string {
	return "http://" + address + "/v1/models/" + w.model + ":predict"
}

// overREST drives any server with the REST bodies.
func (w *work) overREST(ctx context.Context, p *limits.Process, clients int, d time.Duration) (*measured, error) {
	t, err := load.NewREST(w.url(p.REST), w.rest, nil, nil)
	if err != nil {
		return nil, err
	}
	return drive(ctx, p, t, clients, d)
}

func (w *work) overGRPC(ctx context.Context, p *limits.Process, clients int, d time.Duration) (*measured, error) {
	t, err := load.NewGRPC(p.GRPC, w.grpc, nil, nil)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return drive(ctx, p, t, clients, d)
}

// overRaw drives any server with the raw bodies and this call.
func (w *work) overRaw(ctx context.Context, p *limits.Process, method string, clients int, d time.Duration) (*measured, error) {
	t, err := load.NewGRPC(p.GRPC, w.raw, nil, nil)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	t.Call(method)
	return drive(ctx, p, t, clients, d)
}

// rawAnswer is the serialised answer to the first raw request.
func (w *work) rawAnswer(ctx context.Context, p *limits.Process) ([]byte, error) {
	conn, err := load.DialGRPC(p.GRPC, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	req, resp := new(inferencepb.ModelInferRequest), new(inferencepb.ModelInferResponse)
	if err := proto.Unmarshal(w.raw[0].Data, req); err != nil {
		return nil, err
	}
	if err := conn.Invoke(ctx, load.InferMethod, req, resp); err != nil {
		return nil, err
	}
	return proto.Marshal(resp)
}

// grpcAnswer is the serialised answer to the first request.
func (w *work) grpcAnswer(ctx context.Context, p *limits.Process) ([]byte, error) {
	conn, err := load.DialGRPC(p.GRPC, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	req, resp := new(apis_go_proto.PredictRequest), new(apis_go_proto.PredictResponse)
	if err := proto.Unmarshal(w.grpc[0].Data, req); err != nil {
		return nil, err
	}
	if err := conn.Invoke(ctx, load.PredictMethod, req, resp); err != nil {
		return nil, err
	}
	return proto.Marshal(resp)
}

func get(resp *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return b, err
}
