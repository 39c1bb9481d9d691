package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Two runs that never end, on every instance of their model, do not stop another model, and do not keep the server from ending. They
// are told of, and the model's requests are refused once they are known to be stuck.
func TestEndlessRuns(t *testing.T) {
	root := testModels(t)
	file := writeFile(t, t.TempDir(), "models.config", fmt.Sprintf(`model_config_list {
		config { name: "turns" base_path: "%[1]s/turns" model_platform: "tensorflow" }
		config { name: "slow" base_path: "%[1]s/slow" model_platform: "tensorflow" }
		config { name: "half_plus_two" base_path: "%[1]s/half_plus_two" model_platform: "tensorflow" }
	}`, root))
	s := start(t, "--model_config_file="+file, "--instances=2", "--stuck_run_timeout=2s", "--rest_api_timeout_in_ms=1000", "--drain_timeout=20s")
	const turns = "/v1/models/turns:predict"
	s.want("POST", turns, `{"instances":[3,5]}`, 200, `{"predictions":[5,5]}`)
	for range 2 {
		if resp, body := s.do("POST", turns, `{"instances":[4000000000000000000]}`); resp.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("an endless run: %d %s", resp.StatusCode, body)
		}
	}
	for range 20 {
		s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
		s.want("POST", "/v1/models/slow:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.0]}`)
	}
	s.eventually("the runs are told of", func() bool {
		_, body := s.do("GET", "/readyz", "")
		return strings.Contains(body, "model turns") && (strings.Contains(body, "overdue") || strings.Contains(body, "--stuck_run_timeout"))
	})
	s.eventually("the model is not ready", func() bool {
		resp, body := s.do("GET", "/readyz", "")
		return resp.StatusCode == 503 && strings.Contains(body, "model turns: no instance of the model is in service")
	})
	begun := time.Now()
	for range 20 {
		if resp, body := s.do("POST", turns, `{"instances":[1]}`); resp.StatusCode != 503 || !strings.Contains(body, "--stuck_run_timeout") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	if took := time.Since(begun); took > 15*time.Second { // each would wait for its deadline of a second
		t.Errorf("20 refusals took %v", took)
	}
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	page := s.page("/metrics")
	labels := map[string]string{"model": "turns"}
	if n := sum(page["shoal_instances_overdue"], labels); n != 2 {
		t.Errorf("%v instances are said to be overdue", n)
	}
	if n := sum(page["shoal_requests_rejected_total"], map[string]string{"model": "turns", "reason": "stuck"}); n != 20 {
		t.Errorf("%v requests are counted as refused", n)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}
