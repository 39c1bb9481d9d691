package inference

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// steps is a codec that notes what it is asked, and fails where a test says so.
type steps struct {
	model *servingtest.Model
	req   Request
	fail  string
	seen  []string
}

func (s *steps) step(name string) error {
	s.seen = append(s.seen, name)
	if s.fail == name {
		return errors.New(name)
	}
	return nil
}

func (s *steps) DecodeExamples(_ context.Context, c *serving.Call) (Request, error) {
	c.Handle = handle(s.model)
	return s.req, s.step("decode")
}

func (s *steps) EncodeResult(*serving.Call, Request, Result) error { return s.step("encode") }

func (s *steps) SampleResult(*serving.Call, Request, Result) { _ = s.step("sample") }

func TestInfer(t *testing.T) {
	tasks := []*apis_go_proto.InferenceTask{task("m", "r", RegressMethod)}
	for _, c := range []struct {
		name      string
		req       Request
		fail      string
		seen      []string
		signature string // that the call names
	}{
		{"answered", Request{Signature: "c", Examples: two}, "", []string{"decode", "run", "encode", "sample"}, "c"},
		{"tasks", Request{Method: MultiInference, Tasks: tasks, Examples: two}, "", []string{"decode", "run", "encode", "sample"}, ""},
		{"not decoded", Request{Signature: "c", Examples: two}, "decode", []string{"decode"}, ""},
		{"unknown", Request{Signature: "x", Examples: two}, "", []string{"decode"}, ""},
		{"failed", Request{Signature: "c", Examples: two}, "run", []string{"decode", "run"}, "c"},
		{"not encoded", Request{Signature: "c", Examples: two}, "encode", []string{"decode", "run", "encode"}, "c"},
	} {
		s := &steps{model: multiModel(), req: c.req, fail: c.fail}
		compute := s.model.Compute
		s.model.Compute = func(ctx context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
			if err := s.step("run"); err != nil {
				return nil, err
			}
			return compute(ctx, e)
		}
		call := serving.Call{Start: time.Now()}
		err := Infer(t.Context(), &call, s)
		if fails := c.fail != "" || c.name == "unknown"; (err != nil) != fails {
			t.Errorf("%s: %v", c.name, err)
		}
		if !slices.Equal(s.seen, c.seen) || call.Signature != c.signature {
			t.Errorf("%s: %q, signature %q; want %q, %q", c.name, s.seen, call.Signature, c.seen, c.signature)
		}
		if decoded := c.fail != "decode"; decoded && call.Examples != 2 {
			t.Errorf("%s: %d examples", c.name, call.Examples)
		}
	}
}
