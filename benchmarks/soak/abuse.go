package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"shoal/loadtest/load"
)

// post sends a body and returns the code and the answer; lost requests are counted.
func (s *site) post(ctx context.Context, kind, model, body string) (code int, answer []byte, ok bool) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, s.rest+"/v1/models/"+model+":predict", strings.NewReader(body))
	if err == nil {
		var resp *http.Response
		if resp, err = s.http.Do(req); err == nil {
			defer resp.Body.Close()
			if answer, err = io.ReadAll(resp.Body); err == nil {
				return resp.StatusCode, answer, true
			}
		}
	}
	s.tally.lose("%s: %v", kind, err)
	return 0, nil, false
}

// must counts a request that has to be answered with the code.
func (s *site) must(ctx context.Context, kind, model, body string, want int) {
	code, answer, ok := s.post(ctx, kind, model, body)
	switch {
	case !ok:
	case code == want:
		s.tally.fail()
	case code >= 200 && code < 300 || code == http.StatusInternalServerError:
		s.tally.mistake("%s: %.100s is answered %d %.200s, want %d", kind, body, code, answer, want)
	default:
		s.busy(fmt.Sprintf("%s: %.100s: %.300s", kind, body, answer), false, code)
	}
}

var badJSON = []string{
	"", "{", "[]", `{"instances"}`, `{"instances":[1,]}`, `{"instances":[1.0,"a"]}`, `{"instances":[[1],[1,2]]}`, `{"instances":[1e999]}`,
	`{"instances":[null]}`, `{"instances":[1],"inputs":[1]}`, `{"signature_name":7,"instances":[1]}`, `{"instances":{"b64":"%%%"}}`,
	"\xff\xfe", `{"instances":[` + strings.Repeat("[", 5000), `{"instances":["` + strings.Repeat("a", 100_000) + `"]}`,
}

func (s *site) malformedJSON(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		s.must(ctx, "malformed JSON", "moving", badJSON[i%len(badJSON)], http.StatusBadRequest)
		pause(ctx, time.Millisecond)
	}
}

// bombs are small bodies that inflate beyond the limit.
func (s *site) bombs(ctx context.Context) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 8*maxRequest)) // a buffer takes everything
	_ = z.Close()
	for pause(ctx, 100*time.Millisecond) {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, s.rest+"/v1/models/moving:predict", bytes.NewReader(packed.Bytes()))
		if err != nil {
			s.tally.lose("a bomb: %v", err)
			return
		}
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := s.http.Do(req)
		switch {
		case err != nil:
			s.tally.lose("a bomb: %v", err)
			continue
		case resp.StatusCode == http.StatusRequestEntityTooLarge:
			s.tally.fail()
		default:
			s.busy("a bomb", false, resp.StatusCode)
		}
		resp.Body.Close()
	}
}

// badNeighbours are rows that fail their batch, and rows beside them that must not.
func (s *site) badNeighbours(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		if i%4 == 0 {
			s.must(ctx, "a row that fails", "fail_on_negative", `{"instances":[4.0,-1.0]}`, http.StatusBadRequest)
			continue
		}
		code, answer, ok := s.post(ctx, "beside a row that fails", "fail_on_negative", `{"instances":[9.0,16.0]}`)
		switch {
		case !ok:
		case code != http.StatusOK:
			s.busy("beside a row that fails", false, code)
		case strings.Join(strings.Fields(string(answer)), "") != `{"predictions":[3.0,4.0]}`:
			s.tally.mistake("beside a row that fails: %s", answer)
		default:
			s.tally.right("beside a row that fails, REST")
		}
	}
}

// rawMessage is sent as it is.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// malformedMessages are random bytes, and messages that were cut or changed, as gRPC requests.
func (s *site) malformedMessages(ctx context.Context) {
	whole := []byte("\x0a\x08\x0a\x06moving\x12\x13\x0a\x01x\x12\x0e\x08\x01\x12\x04\x12\x02\x08\x01\x2a\x04\x00\x00\x80\x3f")
	for i := 0; ctx.Err() == nil; i++ {
		message := bytes.Clone(whole)
		switch i % 4 {
		case 0:
			message = message[:rand.IntN(len(message))]
		case 1:
			message[rand.IntN(len(message))] ^= byte(1 + rand.IntN(255))
		case 2:
			message = make([]byte, rand.IntN(4000))
			for j := range message {
				message[j] = byte(rand.IntN(256))
			}
		case 3: // a shape that is larger than what comes with it
			message = []byte("\x0a\x08\x0a\x06moving\x12\x19\x0a\x01x\x12\x14\x08\x01\x12\x0a\x12\x08\x08\xff\xff\xff\xff\xff\xff\x7f\x2a\x04\x00\x00\x80\x3f")
		}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		err := s.conn.Invoke(call, load.PredictMethod, message, nil, grpc.ForceCodecV2(rawCodec{}))
		cancel()
		switch code := status.Code(err); {
		case code == codes.Unavailable && !load.AnsweredByServer(err):
			s.tally.lose("a malformed message %x: %v", message[:min(len(message), 100)], err)
		case code == codes.DeadlineExceeded || code == codes.Internal && strings.Contains(err.Error(), "log has"):
			s.tally.mistake("a malformed message %x: %v", message[:min(len(message), 100)], err)
		default: // changed, it may still be one that can be answered
			s.tally.fail()
		}
		pause(ctx, time.Millisecond)
	}
}
