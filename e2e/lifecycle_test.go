package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// The examples' tutorial, command by command.
func TestTutorial(t *testing.T) {
	made(t, "guesslang")
	cmd := exec.Command("bash", "examples/tutorial.sh", program(t, "tensorflow_model_server"))
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
