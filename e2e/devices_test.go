package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Three devices, each with a session and instances of its own, answer the same and share the work.
func TestSeveralDevices(t *testing.T) {
	s := start(t, "--virtual_cpu_devices=3", "--model_name=slow", "--model_base_path="+testModels(t)+"/slow")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for c := range 32 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				x := c*1000 + i
				code, body, _, err := post(s.url+"/v1/models/slow:predict", fmt.Sprintf(`{"instances":[%d.0]}`, x))
				if err != nil || code != 200 || squeeze(string(body)) != fmt.Sprintf(`{"predictions":[%d.0]}`, x+1) {
					t.Errorf("%d: %d %s %v", x, code, body, err)
					return
				}
			}
		})
	}
	s.eventually("all three have run batches", func() bool {
		return s.on("shoal_device_batches_total", "cpu:0") > 5 && s.on("shoal_device_batches_total", "cpu:1") > 5 && s.on("shoal_device_batches_total", "cpu:2") > 5
	})
	stop.Store(true)
	wg.Wait()
	for _, d := range []string{"cpu:0", "cpu:1", "cpu:2"} {
		if s.on("shoal_device_in_service", d) != 1 || s.on("shoal_device_instances", d) < 1 || s.on("shoal_device_busy_seconds_total", d) <= 0 {
			t.Errorf("the metrics of %s are not what they should be", d)
		}
	}
	log := s.log.String()
	for _, line := range []string{`msg="model placed"`, "tensorflow=/device:CPU:2", `msg="no GPU"`} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	if strings.Count(log, `msg="no GPU"`) != 1 {
		t.Error("that there is no GPU is said more than once")
	}
}

// Instance groups place each model; one whose groups do not fit the machine is a clear error of that model alone.
func TestInstanceGroupsFile(t *testing.T) {
	models := testModels(t)
	config := writeFile(t, t.TempDir(), "models", fmt.Sprintf(`model_config_list {
		config { name: "h" base_path: %q model_platform: "tensorflow" } config { name: "lost" base_path: %q model_platform: "tensorflow" } }`,
		models+"/half_plus_two", models+"/identity"))
	groups := writeFile(t, t.TempDir(), "groups", `model { name: "h" instance_group [ { count: 3 devices: [ "cpu:1" ] } ] }
		model { name: "lost" instance_group [ { gpus: [ 0 ] } ] }`)
	args := []string{"--model_config_file=" + config, "--instance_groups_file=" + groups, "--virtual_cpu_devices=2"}
	s := launch(t, append(args, "--max_num_load_retries=0")...)
	s.eventually("one model is there and the other refused", func() bool {
		return s.status("/v1/models/h/metadata") == http.StatusOK && strings.Contains(s.log.String(), "load given up")
	})
	s.want("POST", "/v1/models/h:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	if s.on("shoal_device_instances", "cpu:1") != 3 || s.on("shoal_device_instances", "cpu:0") != 0 {
		t.Error("the instances are not where they should be")
	}
	if _, body := s.do("GET", "/readyz", ""); !strings.Contains(body, "there is no gpu:0") {
		t.Errorf("/readyz says %s", body)
	}
	if _, stderr, code := shoal(t, ".", append([]string{"check"}, args...)...); code <= 0 || !strings.Contains(stderr, groups+`: model "lost", instance_group 1: there is no gpu:0`) {
		t.Errorf("check: exit %d: %s", code, stderr)
	}
	for _, wrong := range []string{"gpu", "cpu:5", "tpu"} {
		_, stderr, code := shoal(t, ".", "serve", "--model_base_path="+models+"/half_plus_two", "--devices="+wrong)
		if code <= 0 || !strings.Contains(stderr, "--devices="+wrong+": ") {
			t.Errorf("serve --devices=%s: exit %d: %s", wrong, code, stderr)
		}
	}
}

// The page shows the CPU where there is no GPU, and which models are on it.
func TestStatusPageShowsDevices(t *testing.T) {
	s := start(t, "--model_name=h", "--model_base_path="+testModels(t)+"/half_plus_two")
	resp, err := http.Get(s.url + "/status/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	seen, buf := "", make([]byte, 4096)
	for !strings.Contains(seen, `"uses":[{"model":"h"`) {
		n, err := resp.Body.Read(buf)
		if seen += string(buf[:n]); err != nil && err != io.EOF || len(seen) > 1<<20 || err == io.EOF {
			t.Fatalf("%v; the page was told %.3000s", err, seen)
		}
	}
	if !strings.Contains(seen, `"name":"cpu:0"`) {
		t.Errorf("%.3000s", seen)
	}
}
