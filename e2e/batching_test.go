package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// post sends one predict body and returns the answer's status, body and headers.
func post(url, body string) (int, []byte, http.Header, error) {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, resp.Header, err
}

// manyConnections lets the default client keep as many idle connections as the tests have clients.
func init() {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 256
}

// Sixty-four clients send single instances: each gets its own answer, and the requests travel together. The largest batch is
// given, since measuring it is another matter; how many requests come during a run depends on the machine, so they go on
// until some have travelled together.
func TestConcurrentRequestsTravelInBatches(t *testing.T) {
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--max_batch_size=64", "--rest_api_timeout_in_ms=300000")
	const clients, each, together = 64, 20, 5
	var met atomic.Bool
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := 0; i < each || !met.Load() && ctx.Err() == nil; i++ {
				x := c*each + i%each
				code, body, h, err := post(s.url+"/v1/models/slow:predict", fmt.Sprintf(`{"instances":[%d.0]}`, x))
				if err != nil || code != 200 || squeeze(string(body)) != fmt.Sprintf(`{"predictions":[%d.0]}`, x+1) {
					t.Errorf("%d: %d %s %v", x, code, body, err)
					return
				}
				n, err := strconv.Atoi(h.Get("Shoal-Batch-Size"))
				if err != nil || h.Get("Shoal-Model-Version") != "1" || !strings.Contains(h.Get("Server-Timing"), "run;dur=") {
					t.Errorf("headers %v", h)
					return
				}
				if n >= together {
					met.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if !met.Load() {
		t.Errorf("no request travelled in a batch of %d or more", together)
	}
}

// Requests of many shapes at once never fail each other, and a signature without a batch dimension is served by itself.
func TestShapesDoNotMix(t *testing.T) {
	s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true")
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for i := range 30 {
				n := 1 + (c+i)%7
				row := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("%d,", c), n), ",")
				code, body, _, err := post(s.url+"/v1/models/identity:predict", `{"signature_name":"int32","instances":[[`+row+`]]}`)
				if want := `{"predictions":[[` + row + `]]}`; err != nil || code != 200 || squeeze(string(body)) != want {
					t.Errorf("%d %s %v, want %s", code, body, err, want)
				}
				code, body, _, err = post(s.url+"/v1/models/fixed:predict", `{"instances":[[1,2,3]]}`)
				if err != nil || code != 200 || squeeze(string(body)) != `{"predictions":[[22.0,28.0]]}` {
					t.Errorf("%d %s %v", code, body, err)
				}
				code, body, _, err = post(s.url+"/v1/models/fixed:predict", `{"instances":[[1,2]]}`)
				if err != nil || code != 400 || !bytes.Contains(body, []byte("Matrix size-incompatible")) {
					t.Errorf("%d %s %v", code, body, err)
				}
				code, body, _, err = post(s.url+"/v1/models/nonbatch:predict", `{"inputs":[1,2]}`)
				if err != nil || code != 200 || !strings.Contains(squeeze(string(body)), `"total":3.0`) {
					t.Errorf("%d %s %v", code, body, err)
				}
			}
		})
	}
	wg.Wait()
}

// A row that the model refuses fails its own request only.
func TestGuiltyRowFailsAlone(t *testing.T) {
	s := start(t, "--model_name=f", "--model_base_path="+testModels(t)+"/fail_on_negative")
	var wg sync.WaitGroup
	for c := range 32 {
		wg.Go(func() {
			for range 20 {
				if c%8 == 0 {
					if code, body, _, err := post(s.url+"/v1/models/f:predict", `{"instances":[-4.0]}`); err != nil || code != 400 {
						t.Errorf("the guilty: %d %s %v", code, body, err)
					}
				} else if code, body, _, err := post(s.url+"/v1/models/f:predict", `{"instances":[4.0]}`); err != nil || code != 200 || squeeze(string(body)) != `{"predictions":[2.0]}` {
					t.Errorf("a neighbour: %d %s %v", code, body, err)
				}
			}
		})
	}
	wg.Wait()
}

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
		<-s.done
		if s.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(s.log.String(), "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 10") {
			t.Errorf("exit %d\n%s", s.cmd.ProcessState.ExitCode(), s.log)
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
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--rest_api_timeout_in_ms=5000", "--batching_parameters_file="+
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
	s = start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--rest_api_timeout_in_ms=1")
	if code, body, _, err := post(s.url+"/v1/models/slow:predict", `{"instances":[1.0]}`); err != nil || code != 504 {
		t.Errorf("%d %s %v", code, body, err)
	}
}
