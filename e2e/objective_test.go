package e2e

import (
	"strings"
	"sync"
	"testing"
)

// With an objective that allows for few of the requests that come at once, some are answered and the others refused, as load
// balancers expect it; and they are counted.
func TestLatencyObjective(t *testing.T) {
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--max_batch_size=1", "--instances=1", "--latency_objective=60ms")
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
