package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"

	"shoal/loadtest/bodies"
	"shoal/loadtest/load"
)

// steady is a stream of requests with known answers to a model that does not change. The answers are those that the server
// gave when it had nothing else to do; where they can be computed they are checked against that too.
type steady struct {
	kind    string
	target  load.Target
	clients int
	grpc    bool
}

// actor does one kind of work until its context ends.
type actor func(context.Context)

// steadyWork says what is asked: a signature, sizes of requests, clients of each API.
var steadyWork = []struct {
	model, signature, sizes string
	clients                 int
}{
	{"mlp", "", "1-16", 4},
	{"stringlen", "", "1-64", 2},
	{"multi", "", "1-8", 2},
	{"slow", "", "1-4", 1},
}

// prepare makes the requests, and asks each once while the server is idle.
func (s *site) prepare(ctx context.Context) (actors []actor, err error) {
	var all []*steady
	for _, w := range steadyWork {
		meta, err := bodies.FetchMetadata(ctx, s.conn, &apis_go_proto.ModelSpec{Name: w.model})
		if err != nil {
			return nil, err
		}
		sig, err := meta.Signature(w.signature)
		if err != nil {
			return nil, err
		}
		sizes, err := bodies.ParseSizes(w.sizes)
		if err != nil {
			return nil, err
		}
		requests, err := bodies.Random{Signature: sig, Sizes: sizes, Seed: 1}.Requests(32)
		if err != nil {
			return nil, err
		}
		var rest, rpc []load.Body
		for _, r := range requests {
			one, err := bodies.REST(sig, r)
			if err != nil {
				return nil, err
			}
			other, err := bodies.GRPC(&apis_go_proto.ModelSpec{Name: w.model, SignatureName: sig.Name}, sig, r)
			if err != nil {
				return nil, err
			}
			rest, rpc = append(rest, one), append(rpc, other)
		}
		pair, err := s.pair(w.model, w.clients, rest, rpc)
		if err != nil {
			return nil, err
		}
		all = append(all, pair...)
	}
	guess, err := s.guesses()
	if err != nil {
		return nil, err
	}
	for _, w := range append(all, guess...) {
		if err := s.prime(ctx, w); err != nil {
			return nil, err
		}
		actors = append(actors, func(ctx context.Context) { s.keepAsking(ctx, w) })
	}
	return actors, s.checkLengths(ctx)
}

// pair is the same work by REST and by gRPC.
func (s *site) pair(model string, clients int, rest, rpc []load.Body) ([]*steady, error) {
	byREST, err := load.NewAnswers(len(rest), nil, load.ParseJSON)
	if err != nil {
		return nil, err
	}
	byRPC, err := load.NewAnswers(len(rpc), nil, bodies.ParseAnswer)
	if err != nil {
		return nil, err
	}
	one, err := load.NewREST(s.rest+"/v1/models/"+model+":predict", rest, byREST, nil)
	if err != nil {
		return nil, err
	}
	other, err := load.NewGRPC(s.grpc, rpc, byRPC, nil)
	return []*steady{{model + ", REST", one, clients, false}, {model + ", gRPC", other, clients, true}}, err
}

// guesses are requests to guesslang, where it is there.
func (s *site) guesses() ([]*steady, error) {
	if s.others[len(s.others)-1] != "guesslang" {
		return nil, nil
	}
	var list []load.Body
	for _, code := range []string{"package main\n\nfunc main() { fmt.Println(\"hi\") }", "import os\n\nfor name in sorted(os.listdir()):\n    print(name)",
		"SELECT name, length FROM fish WHERE length > 3 ORDER BY name;"} {
		text, _ := json.Marshal(map[string]any{"signature_name": "predict", "instances": []string{code}}) // strings
		list = append(list, load.Body{Data: text, Rows: 1})
	}
	answers, err := load.NewAnswers(len(list), nil, load.ParseJSON)
	if err != nil {
		return nil, err
	}
	t, err := load.NewREST(s.rest+"/v1/models/guesslang:predict", list, answers, nil)
	return []*steady{{"guesslang, REST", t, 1, false}}, err
}

// prime asks each body once, alone: the checker takes the first answer to a body for the right one.
func (s *site) prime(ctx context.Context, w *steady) error {
	attack, err := load.Start(ctx, w.target, load.Options{Clients: 1, Duration: time.Minute, Requests: 32, Timeout: requestTimeout})
	if err != nil {
		return err
	}
	for block := range attack.Results() {
		for _, r := range block {
			if r.Outcome != load.Good {
				err = fmt.Errorf("%s: a request alone is %v with code %d", w.kind, r.Outcome, r.Code)
			}
		}
	}
	return err
}

// keepAsking sends until ctx ends. The attack has a time of its own, so that requests under way are answered.
func (s *site) keepAsking(ctx context.Context, w *steady) {
	defer w.target.Close()
	deadline, _ := ctx.Deadline()
	for left := time.Until(deadline); left > 0 && ctx.Err() == nil; left = time.Until(deadline) {
		attack, err := load.Start(context.WithoutCancel(ctx), w.target, load.Options{Clients: w.clients, Duration: min(left, 10*time.Second), Timeout: requestTimeout})
		if err != nil {
			s.tally.lose("%s: %v", w.kind, err)
			return
		}
		for block := range attack.Results() {
			for _, r := range block {
				s.count(w, &r)
			}
		}
	}
}

func (s *site) count(w *steady, r *load.Result) {
	switch r.Outcome {
	case load.Good:
		s.tally.right(w.kind)
	case load.Refused:
		s.busy(w.kind, w.grpc, int(r.Code))
	case load.Wrong:
		s.tally.mistake("%s: another answer than before", w.kind)
	default:
		s.tally.lose("%s: %v after %v", w.kind, r.Outcome, r.Done-r.Sent)
	}
}

// busy counts a code that says that the server is too busy, or too late; any other is a mistake.
func (s *site) busy(kind string, rpc bool, code int) {
	switch {
	case rpc && (code == int(codes.Unavailable) || code == int(codes.ResourceExhausted) || code == int(codes.DeadlineExceeded)):
		s.tally.refuse("gRPC " + codes.Code(code).String())
	case !rpc && (code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests || code == http.StatusGatewayTimeout):
		s.tally.refuse(fmt.Sprintf("REST %d", code))
	default:
		s.tally.mistake("%s: code %d", kind, code)
	}
}

// checkLengths holds stringlen's first answers, which all others are compared with, against Go's own lengths.
func (s *site) checkLengths(ctx context.Context) error {
	texts := []string{"", "a", "\u00e9", strings.Repeat("fish ", 1000), "\u4e16\u754c"}
	body, _ := json.Marshal(map[string]any{"instances": texts}) // strings
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.rest+"/v1/models/stringlen:predict", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	var got struct{ Predictions []int }
	if err == nil {
		err = json.Unmarshal(answer, &got)
	}
	for i, text := range texts {
		if err != nil || len(got.Predictions) != len(texts) || got.Predictions[i] != len(text) {
			return fmt.Errorf("the lengths of %d strings: %s, %w", len(texts), answer, err)
		}
	}
	return nil
}
