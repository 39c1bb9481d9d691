package e2e

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"shoal/serving/predictionlog/tfrecord"
)

// Warm-up files that Python has written: each kind of request is run before the version is available; a request that fails
// fails the load, and says which it was.
func TestWarmUpRequests(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.tfrecord"), filepath.Join(dir, "bad.tfrecord")
	python(t, "write_warmup.py", good, bad)
	damaged := writeFile(t, dir, "damaged.tfrecord", "this is no TFRecord file")
	withWarmUp(t, dir, "good", good)
	withWarmUp(t, dir, "bad", bad)
	withWarmUp(t, dir, "damaged", damaged)
	config := configOf(t, dir, "good", "bad", "damaged")

	t.Run("run before the version is available", func(t *testing.T) {
		s := launch(t, "--model_config_file="+config, "--max_num_load_retries=0", "--num_request_iterations_for_warmup=3")
		s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
		s.eventually("the good model is available", func() bool { return s.states("good")["1"] == "AVAILABLE" })
		s.says("warm-up requests run", "model=good", "requests=4", "iterations=3")
		s.want("POST", "/v1/models/good:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
		for model, reason := range map[string]string{"bad": "warm-up request 3 in ", "damaged": "Please verify your warmup data is in TFRecord format"} {
			s.eventually("the load of "+model+" has failed", func() bool { return s.states(model)["1"] == "END" })
			for _, path := range []string{"/v1/models/" + model, "/readyz"} {
				if _, body := s.do("GET", path, ""); !strings.Contains(body, reason) || path == "/readyz" && !strings.Contains(body, model) {
					t.Errorf("%s does not say %q: %s", path, reason, body)
				}
			}
		}
		if code := s.status("/readyz"); code != 503 {
			t.Errorf("readyz answers %d", code)
		}
	})
	t.Run("turned off", func(t *testing.T) {
		s := start(t, "--model_config_file="+config, "--enable_model_warmup=false")
		for _, model := range []string{"good", "bad", "damaged"} {
			s.want("POST", "/v1/models/"+model+":predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
		}
		if s.logged("warm-up requests run") {
			t.Error("requests were run all the same")
		}
	})
}

// More records than TensorFlow Serving takes fail the load.
func TestTooManyWarmUpRequests(t *testing.T) {
	dir := t.TempDir()
	nothing := tfrecord.Append(nil, nil) // a PredictionLog without a request, which is run as nothing
	for name, records := range map[string]int{"most": 1000, "many": 1001} {
		withWarmUp(t, dir, name, writeFile(t, dir, name+".tfrecord", string(bytes.Repeat(nothing, records))))
	}
	s := launch(t, "--model_config_file="+configOf(t, dir, "most", "many"), "--max_num_load_retries=0")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	s.eventually("1000 records are run", func() bool { return s.states("most")["1"] == "AVAILABLE" })
	s.eventually("1001 are too many", func() bool { return s.states("many")["1"] == "END" })
	if _, body := s.do("GET", "/v1/models/many", ""); !strings.Contains(body, "Number of warmup records exceeds the maximum (1000)") {
		t.Error(body)
	}
}
