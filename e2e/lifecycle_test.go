package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// copyVersion copies a version of a test model to base/version the way that deployments do: under a name that is no number,
// then renamed.
func copyVersion(t testing.TB, from, base string, version int) {
	t.Helper()
	tmp := filepath.Join(base, fmt.Sprintf("copying-%d", version))
	if err := os.CopyFS(tmp, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(base, strconv.Itoa(version))); err != nil {
		t.Fatal(err)
	}
}

func (s *server) states(model string) map[string]string {
	_, body := s.do("GET", "/v1/models/"+model, "")
	var doc struct {
		Status []struct{ Version, State string } `json:"model_version_status"`
	}
	json.Unmarshal([]byte(body), &doc)
	m := map[string]string{}
	for _, v := range doc.Status {
		m[v.Version] = v.State
	}
	return m
}

// The examples' tutorial, command by command.
func TestTutorial(t *testing.T) {
	made(t, "guesslang")
	cmd := exec.Command("bash", "examples/tutorial.sh", filepath.Join(filepath.Dir(binary), "tensorflow_model_server"))
	cmd.Dir = inRepository(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// While 32 clients send without pause, 20 new versions appear and the old ones go: no request fails, every answer is from a
// version that was served, and memory and goroutines return to where they were.
func TestVersionsChangeUnderLoad(t *testing.T) {
	models := testModels(t)
	base := filepath.Join(t.TempDir(), "m")
	if err := os.MkdirAll(base, 0o755); err != nil {
		t.Fatal(err)
	}
	copyVersion(t, models+"/half_plus_two/1", base, 1)
	s := start(t, "--model_name=m", "--model_base_path="+base, "--file_system_poll_wait_seconds=1", "--max_num_load_retries=0")
	var stop atomic.Bool
	var answered atomic.Int64
	var served sync.Map
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for !stop.Load() {
				code, body, h, err := post(s.url+"/v1/models/m:predict", `{"instances":[1.0]}`)
				v, _ := strconv.Atoi(h.Get("Shoal-Model-Version"))
				want := `{"predictions":[2.5]}` // odd versions are half plus two, even ones half plus three
				if v%2 == 0 {
					want = `{"predictions":[3.5]}`
				}
				if err != nil || code != 200 || v < 1 || v > 21 || squeeze(string(body)) != want {
					t.Errorf("version %d: %d %s %v", v, code, body, err)
					return
				}
				served.Store(v, true)
				answered.Add(1)
			}
		})
	}
	s.eventually("all clients are at work", func() bool { return answered.Load() > 1000 })
	before, goroutines := s.memory(), s.goroutines()
	for v := 2; v <= 21; v++ {
		copyVersion(t, fmt.Sprintf("%s/half_plus_two/%d", models, 2-v%2), base, v)
		s.eventually(fmt.Sprintf("version %d is available and the one before has ended", v), func() bool {
			states := s.states("m")
			return states[strconv.Itoa(v)] == "AVAILABLE" && states[strconv.Itoa(v-1)] == "END"
		})
		if err := os.RemoveAll(filepath.Join(base, strconv.Itoa(v-1))); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	wg.Wait()
	for v := 1; v <= 21; v++ {
		if _, ok := served.Load(v); !ok {
			t.Errorf("version %d never answered", v)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	s.eventually("goroutines are back", func() bool { return s.goroutines() <= goroutines })
	s.eventually("memory is back", func() bool { return s.memory() < before+150<<20 })
	t.Logf("%d requests; resident memory %d MiB before, %d MiB after", answered.Load(), before>>20, s.memory()>>20)
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// goroutines is how many the server has, by its own metrics.
func (s *server) goroutines() float64 {
	return s.page("/metrics")["go_goroutines"].GetMetric()[0].GetGauge().GetValue()
}

// memory is the process's resident set, in bytes.
func (s *server) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// SIGTERM in the middle of load: what was accepted is answered, the rest is refused, the exit code is 0.
func TestDrain(t *testing.T) {
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow")
	var wg sync.WaitGroup
	var answered, lost atomic.Int64
	started := make(chan struct{}, 64)
	for range 64 {
		wg.Go(func() {
			// A request that is accepted, its connection there, must be answered; the next one may be refused.
			client := &http.Client{Transport: &http.Transport{}}
			for first := true; ; first = false {
				resp, err := client.Post(s.url+"/v1/models/slow:predict", "", strings.NewReader(`{"instances":[1.0]}`))
				if err != nil {
					// Only a connection that was refused, or a kept one that the server had closed before the request, is fine.
					if !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "closed") {
						lost.Add(1)
						t.Error(err)
					}
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 200 && resp.StatusCode != 503 {
					t.Errorf("status %d", resp.StatusCode)
				}
				if resp.StatusCode != 200 {
					return
				}
				answered.Add(1)
				if first {
					started <- struct{}{}
				}
			}
		})
	}
	for range 64 {
		<-started
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	wg.Wait()
	if answered.Load() < 64 || lost.Load() > 0 {
		t.Errorf("%d answered, %d lost", answered.Load(), lost.Load())
	}
}

// A version directory that is still being filled is left alone until it is whole.
func TestHalfCopiedVersionWaits(t *testing.T) {
	models := testModels(t)
	base := t.TempDir()
	copyVersion(t, models+"/half_plus_two/1", base, 1)
	s := start(t, "--model_name=m", "--model_base_path="+base, "--max_num_load_retries=0")
	from, to := models+"/half_plus_two/2", filepath.Join(base, "2")
	if err := os.MkdirAll(filepath.Join(to, "variables"), 0o755); err != nil {
		t.Fatal(err)
	}
	pb, err := os.ReadFile(from + "/saved_model.pb")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+"/saved_model.pb", pb[:len(pb)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	polls := 0 // the server looks once a second; each status call here costs less
	s.eventually("some polls have passed", func() bool { polls++; return polls > 150 })
	if st := s.states("m")["2"]; st == "AVAILABLE" || st == "END" {
		t.Errorf("a half-copied version is %s", st)
	}
	s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
	if err := os.WriteFile(to+"/saved_model.pb", pb, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to+"/variables", os.DirFS(from+"/variables")); err != nil {
		t.Fatal(err)
	}
	s.eventually("version 2 has taken over", func() bool { return s.states("m")["2"] == "AVAILABLE" })
	s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
}

// A model that cannot load does not stop the others, and readiness says why.
func TestBrokenModelBesideGoodOne(t *testing.T) {
	root := testModels(t)
	dir := t.TempDir()
	file := writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list {
		config { name: "good" base_path: "%[1]s/half_plus_two" model_platform: "tensorflow" }
		config { name: "bad" base_path: "%[1]s/bad" model_platform: "tensorflow" }
		config { name: "absent" base_path: "%[1]s/no_such_directory" model_platform: "tensorflow" }
	}`, root))
	s := launch(t, "--model_config_file="+file, "--max_num_load_retries=0", "--model_config_file_poll_wait_seconds=1")
	s.eventually("the good model answers", func() bool { return s.status("/v1/models/good/metadata") == 200 })
	s.eventually("the bad one has failed", func() bool { return s.states("bad")["1"] == "END" })
	resp, body := s.do("GET", "/readyz", "")
	if resp.StatusCode != 503 || !strings.Contains(body, "bad") || !strings.Contains(body, "absent") || strings.Contains(body, `good`) {
		t.Errorf("readyz: %d %s", resp.StatusCode, body)
	}
	if s.status("/healthz") != 200 {
		t.Error("alive all the same")
	}
	if _, body := s.do("GET", "/v1/models/bad", ""); strings.Contains(body, `"error_code": "OK"`) || strings.Contains(body, `"error_code":"OK"`) {
		t.Errorf("status of the bad model: %s", body)
	}
	// A broken file is reported at the poll and changes nothing; a good one is taken.
	writeFile(t, dir, "models.config", `model_config_list { config { name: `)
	s.eventually("the broken file is reported", func() bool {
		return strings.Contains(s.log.String(), "Error parsing text-format tensorflow.serving.ModelServerConfig")
	})
	s.want("POST", "/v1/models/good:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list { config { name: "good" base_path: "%s/half_plus_two" model_platform: "tensorflow" model_version_policy { specific { versions: 1 } } } }`, root))
	s.eventually("the new file is taken and all is ready", func() bool { return s.status("/readyz") == 200 })
	s.eventually("version 1 serves", func() bool {
		_, body := s.do("POST", "/v1/models/good:predict", `{"instances":[1.0]}`)
		return squeeze(body) == `{"predictions":[2.5]}`
	})
	s.eventually("the removed model is gone", func() bool { return s.status("/v1/models/bad/metadata") == 404 })
}

// Wrong starts end the process with a text that says what is wrong.
func TestBadStarts(t *testing.T) {
	root := testModels(t)
	broken := writeFile(t, t.TempDir(), "broken.config", "model_config_list { config { name: \"a\" ")
	labels := writeFile(t, t.TempDir(), "labels.config", fmt.Sprintf(`model_config_list { config { name: "half_plus_two" base_path: "%s/half_plus_two" model_platform: "tensorflow" version_labels { key: "stable" value: 1 } } }`, root))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--model_config_file=" + broken}, "Error parsing text-format tensorflow.serving.ModelServerConfig"},
		{[]string{"--model_config_file=/no/such/file"}, "/no/such/file"},
		{[]string{"--model_config_file=" + labels}, "Request to assign label to version 1 of model half_plus_two, which is not currently available for inference"},
		{[]string{"--model_base_path=" + root + "/half_plus_two", "--rest_api_prot=1"}, "rest_api_port"},
		{nil, "model_base_path"},
	} {
		s := launch(t, c.args...)
		<-s.done
		if s.cmd.ProcessState.ExitCode() <= 0 || !strings.Contains(s.log.String(), c.want) {
			t.Errorf("%v: exit %d, want %q in\n%s", c.args, s.cmd.ProcessState.ExitCode(), c.want, s.log)
		}
	}
}
