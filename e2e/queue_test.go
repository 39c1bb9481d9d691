package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// Batching parameters rule as in TensorFlow Serving; without a file no request is refused for its size.
func TestBatchingParameters(t *testing.T) {
	rows := `{"instances":[` + strings.TrimSuffix(strings.Repeat("1.0,", 3000), ",") + `]}`
	base := []string{"--model_name=h", "--model_base_path=" + testModels(t) + "/half_plus_two"}
	t.Run("without a file large requests are split", func(t *testing.T) {
		s := start(t, base...)
		code, body, _, err := post(s.url+"/v1/models/h:predict", rows)
		var got struct{ Predictions []float64 }
		if err != nil || code != 200 || json.Unmarshal(body, &got) != nil || len(got.Predictions) != 3000 || got.Predictions[2999] != 3.5 {
			t.Errorf("%d %.200s %v", code, body, err)
		}
	})
	params := `max_batch_size { value: 64 } batch_timeout_micros { value: 1000 } max_enqueued_batches { value: 100 } num_batch_threads { value: 2 } allowed_batch_sizes: [8, 64]`
	t.Run("too large", func(t *testing.T) {
		s := start(t, append(base, "--enable_batching", "--batching_parameters_file="+writeFile(t, t.TempDir(), "b", params))...)
		code, body, _, err := post(s.url+"/v1/models/h:predict", rows)
		if err != nil || code != 400 || !bytes.Contains(body, []byte("Task size 3000 is larger than maximum input batch size 64")) || !bytes.Contains(body, []byte("max_batch_size")) {
			t.Errorf("%d %s %v", code, body, err)
		}
		s.want("POST", "/v1/models/h:predict", `{"instances":[1.0,2.0,5.0]}`, 200, `{"predictions":[3.5,4.0,5.5]}`)
	})
	t.Run("split where it says so", func(t *testing.T) {
		s := start(t, append(base, "--enable_batching", "--batching_parameters_file="+writeFile(t, t.TempDir(), "b",
			`max_batch_size { value: 4000 } max_execution_batch_size { value: 64 } enable_large_batch_splitting { value: true } max_enqueued_batches { value: 100 }`))...)
		if code, body, _, err := post(s.url+"/v1/models/h:predict", rows); err != nil || code != 200 {
			t.Errorf("%d %.200s %v", code, body, err)
		}
	})
	t.Run("faults end the start with their text", func(t *testing.T) {
		s := launch(t, append(base, "--enable_batching", "--batching_parameters_file="+writeFile(t, t.TempDir(), "b", `max_batch_size { value: 10 } allowed_batch_sizes: [4, 8]`))...)
		if code := s.wait(); code == 0 || !strings.Contains(s.log.String(), "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 10") {
			t.Errorf("exit %d\n%s", code, s.log)
		}
	})
	t.Run("variable lengths are padded", func(t *testing.T) {
		s := start(t, "--model_name=d", "--model_base_path="+testModels(t)+"/dynamic", "--enable_batching", "--batching_parameters_file="+
			writeFile(t, t.TempDir(), "b", `max_batch_size { value: 16 } batch_timeout_micros { value: 200000 } pad_variable_length_inputs: true num_batch_threads { value: 1 }`))
		var wg sync.WaitGroup
		for _, c := range []struct{ body, want string }{
			{`{"instances":[[1,2,3]]}`, `{"predictions":[6.0]}`},
			// Padded to three with its own first element, as TensorFlow Serving does.
			{`{"instances":[[5]]}`, `{"predictions":[15.0]}`},
		} {
			wg.Go(func() {
				code, body, h, err := post(s.url+"/v1/models/d:predict", c.body)
				if err != nil || code != 200 || h.Get("Shoal-Batch-Size") != "2" || squeeze(string(body)) != c.want {
					t.Errorf("%s: %d %s %v, batch of %s", c.body, code, body, err, h.Get("Shoal-Batch-Size"))
				}
			})
		}
		wg.Wait()
	})
}

// A full queue answers 503 with Retry-After, an expired request 504; both at once and for good.
func TestOverload(t *testing.T) {
	s := startModel(t, "slow", "--rest_api_timeout_in_ms=5000", "--batching_parameters_file="+
		writeFile(t, t.TempDir(), "b", `max_batch_size { value: 1 } max_enqueued_batches { value: 2 } num_batch_threads { value: 1 }`), "--enable_batching")
	codes := map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			code, body, h, err := post(s.url+"/v1/models/slow:predict", `{"instances":[1.0]}`)
			if err != nil {
				t.Error(err)
			}
			if code == 503 && (h.Get("Retry-After") == "" || !bytes.Contains(body, []byte("The batch scheduling queue to which this task was submitted is full"))) {
				t.Errorf("%s, Retry-After %q", body, h.Get("Retry-After"))
			}
			mu.Lock()
			codes[code]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if codes[200] == 0 || codes[503] == 0 || codes[200]+codes[503] != 40 {
		t.Errorf("answers by code: %v", codes)
	}
	s = startModel(t, "slow", "--rest_api_timeout_in_ms=1")
	if code, body, _, err := post(s.url+"/v1/models/slow:predict", `{"instances":[1.0]}`); err != nil || code != 504 {
		t.Errorf("%d %s %v", code, body, err)
	}
}

// With an objective that allows for few of the requests that come at once, some are answered and the others refused, as load
// balancers expect it; and they are counted.
func TestLatencyObjective(t *testing.T) {
	s := startModel(t, "slow", "--max_batch_size=1", "--instances=1", "--latency_objective=60ms")
	url := s.url + "/v1/models/slow:predict"
	var mu sync.Mutex
	codes := map[int]int{}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 3 {
				code, body, h, err := post(url, `{"instances":[1.0]}`)
				if err != nil || code != 200 && (code != 503 || h.Get("Retry-After") == "" || !strings.Contains(string(body), "--latency_objective")) {
					t.Errorf("%d %s %v %v", code, body, h, err)
				}
				mu.Lock()
				codes[code]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if codes[200] == 0 || codes[503] == 0 {
		t.Errorf("answers by code: %v", codes)
	}
	rejected := sum(s.page("/metrics")["shoal_requests_rejected_total"], map[string]string{"reason": "late"})
	if int(rejected) != codes[503] {
		t.Errorf("%v are counted as refused, %d were", rejected, codes[503])
	}
}

// The server itself ends a call whose deadline passes in the queue: with its status, or, where gRPC's own clock was quicker,
// by taking the stream back.
func TestDeadlineInTheQueue(t *testing.T) {
	s := startModel(t, "slow", "--batching_parameters_file="+
		writeFile(t, t.TempDir(), "b", `max_batch_size { value: 1 } max_enqueued_batches { value: 1000 } num_batch_threads { value: 1 }`))
	conn := s.dial()
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	for range 50 { // they keep a second's work in the queue
		wg.Go(func() {
			for !stop.Load() {
				if _, _, err := predictRPC(t.Context(), conn, "slow", 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	// A client of gRPC would end the call by itself, and never see the server's answer: this one speaks plain HTTP/2.
	message, err := proto.Marshal(predictRequest("slow", 1))
	if err != nil {
		t.Fatal(err)
	}
	body := string([]byte{0, 0, 0, 0, byte(len(message))}) + string(message)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	deadlineExceeded := strconv.Itoa(int(codes.DeadlineExceeded))
	call := func() (code, text string) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.grpc+"/tensorflow.serving.PredictionService/Predict", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"150m"}}
		resp, err := transport.RoundTrip(req)
		if err != nil && strings.Contains(err.Error(), "CANCEL; received from peer") {
			return deadlineExceeded, "it was not run"
		}
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		get := func(name string) string { return resp.Trailer.Get(name) + resp.Header.Get(name) }
		return get("Grpc-Status"), get("Grpc-Message")
	}
	code, text := call()
	for code == "0" { // the queue was still filling
		code, text = call()
	}
	if code != deadlineExceeded || !strings.Contains(text, "it was not run") {
		t.Errorf("status %s, %q", code, text)
	}
}
