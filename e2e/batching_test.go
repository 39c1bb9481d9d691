package e2e

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// Sixty-four clients send single instances: each gets its own answer, and the requests travel together. The largest batch is
// given, since measuring it is another matter; how many requests come during a run depends on the machine, so they go on
// until some have travelled together.
func TestConcurrentRequestsTravelInBatches(t *testing.T) {
	s := startModel(t, "slow", "--max_batch_size=64", "--rest_api_timeout_in_ms=300000")
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

// A thousand calls at once, half by REST and half by gRPC: each gets its own answer, and they travel together. What the largest
// batch is and how long the last call waits would depend on the machine, so both are given.
func TestThousandMixedCalls(t *testing.T) {
	s := startModel(t, "slow", "--max_batch_size=64", "--rest_api_timeout_in_ms=300000")
	conns := []*grpc.ClientConn{s.dial(), s.dial(), s.dial(), s.dial()}
	var rows atomic.Int64
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			<-begin
			code, body, h, err := post(s.url+"/v1/models/slow:predict", fmt.Sprintf(`{"instances":[%d.0]}`, i))
			if err != nil || code != 200 || squeeze(string(body)) != fmt.Sprintf(`{"predictions":[%d.0]}`, i+1) {
				t.Errorf("REST %d: %d %s %v", i, code, body, err)
			}
			n, _ := strconv.Atoi(h.Get("Shoal-Batch-Size"))
			rows.Add(int64(n))
		})
		wg.Go(func() {
			<-begin
			if y, _, err := predictRPC(t.Context(), conns[i%len(conns)], "slow", float32(1000+i)); err != nil || y != float32(1001+i) {
				t.Errorf("gRPC %d: %v %v", i, y, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if mean := float64(rows.Load()) / 500; mean <= 1 {
		t.Errorf("the mean REST request travelled in a batch of %.1f", mean)
	} else {
		t.Logf("the mean REST request travelled in a batch of %.1f", mean)
	}
}

// A batch of three leaves when it is full, and not before the test is long over: a call by REST, one by gRPC and one of the Open Inference
// Protocol fill it.
func TestAllAPIsFillOneBatch(t *testing.T) {
	s := startModel(t, "half_plus_two", "--rest_api_timeout_in_ms=300000", "--batching_parameters_file="+
		writeFile(t, t.TempDir(), "b", `max_batch_size { value: 3 } batch_timeout_micros { value: 600000000 } num_batch_threads { value: 1 }`))
	conn := s.dial()
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp := s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`); resp.Header.Get("Shoal-Batch-Size") != "3" {
			t.Errorf("headers %v", resp.Header)
		}
	})
	wg.Go(func() {
		if y, _, err := predictRPC(t.Context(), conn, "half_plus_two", 2); err != nil || y != 4 {
			t.Errorf("%v %v", y, err)
		}
	})
	wg.Go(func() {
		resp := s.want("POST", "/v2/models/half_plus_two/infer", `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[4]}]}`, 200,
			`{"model_name":"half_plus_two","model_version":"2","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[5.0]}]}`)
		if resp.Header.Get("Shoal-Batch-Size") != "3" {
			t.Errorf("headers %v", resp.Header)
		}
	})
	wg.Wait()
}
