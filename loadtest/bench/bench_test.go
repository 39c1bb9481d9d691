package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"shoal/configs"
	"shoal/loadtest/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse reads a command line as the command does.
func parse(t *testing.T, args ...string) (*Config, error) {
	t.Helper()
	c := &Config{Tool: "test", Command: args}
	fs := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	c.Register(fs)
	rest, err := configs.ParseFlags(fs, args)
	if err != nil {
		t.Fatal(err)
	}
	c.Targets = rest
	return c, c.Validate()
}

// server speaks as much of the REST API as a load test asks for. Every tenth prediction is refused, if broken.
func server(t *testing.T, broken bool) string {
	t.Helper()
	var n atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"models":[{"name":"m"}]}`) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"ok","version":"9"}`) })
	mux.HandleFunc("GET /v1/models/m/metadata", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"model_spec":{"name":"m","signature_name":"","version":"7"},"metadata":{"signature_def":{"signature_def":{"serving_default":{
			"inputs":{"x":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1"},{"size":"2"}]},"name":"x:0"}},"outputs":{},"method_name":"tensorflow/serving/predict"}}}}}`)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		var req struct{ Instances [][]float64 }
		body, _ := io.ReadAll(r.Body)
		if json.Unmarshal(body, &req) != nil || len(req.Instances) == 0 || len(req.Instances[0]) != 2 || broken && n.Add(1)%10 == 0 {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		answer, _ := json.Marshal(map[string]any{"predictions": req.Instances})
		w.Write(answer)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func run(t *testing.T, args ...string) (*report.Document, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	c, err := parse(t, append(args, "--json="+file, "--html="+file+".html")...)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = Run(t.Context(), c, &out, NewProgress(io.Discard, false))
	doc := new(report.Document)
	if raw, e := os.ReadFile(file); e == nil {
		if e := json.Unmarshal(raw, doc); e != nil {
			t.Error(e)
		}
	}
	return doc, out.String(), err
}

// TestRun: everything is found out from the server, and the run is reported in all three forms.
func TestRun(t *testing.T) {
	doc, table, err := run(t, server(t, false), "--requests=200", "--warmup=0s", "--clients=4", "--instances=1-3", "--check", "--duration=1m")
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Runs) != 1 || doc.Runs[0].Summary.Good != 200 {
		t.Fatalf("%+v", doc)
	}
	if g := doc.Targets[0]; g.Model != "m" || g.Version != "7" || g.Server != "Shoal 9" || g.Bodies != 128 || g.Instances <= 1 || g.Instances >= 3 || g.Checked == "" {
		t.Errorf("%+v", g)
	}
	if s := doc.Runs[0].Summary; s.Instances <= s.Throughput {
		t.Errorf("%.0f instances/s in %.0f requests/s", s.Instances, s.Throughput)
	}
	if !strings.Contains(table, "200 good") {
		t.Error(table)
	}
}

func TestRunRefused(t *testing.T) {
	doc, table, err := run(t, server(t, true), "--requests=200", "--warmup=0s", "--clients=4", "--duration=1m")
	if err != nil || doc.Runs[0].Summary.Refused != 20 || doc.Runs[0].Summary.Good != 180 {
		t.Errorf("%v\n%s", err, table)
	}
}

// TestBodyAndCheck: a request from a file with the answer from another, at a path of the server's own.
func TestBodyAndCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	body := write("body", "{\"instances\":[[1,2]]}\n{\"instances\":[[3,4]]}\n")
	right := write("right", "{\"predictions\":[[1,2]]}\n{\"predictions\":[[3,4]]}\n")
	wrong := write("wrong", "{\"predictions\":[[1,2]]}\n{\"predictions\":[[3,5]]}\n")
	for file, want := range map[string]uint64{right: 0, wrong: 50} {
		doc, table, err := run(t, server(t, false)+"/anywhere", "--body="+body, "--check="+file, "--requests=100", "--warmup=0s", "--duration=1m")
		if err != nil || doc.Runs[0].Summary.Wrong != want || doc.Runs[0].Summary.Good != 100-want {
			t.Errorf("%s: %v\n%s", file, err, table)
		}
	}
}

func TestCompareRun(t *testing.T) {
	a, b := server(t, false), server(t, true)
	doc, _, err := run(t, "--compare", a, b, "--model=m", "--requests=100", "--warmup=0s", "--rounds=2", "--duration=1m")
	if err != nil || len(doc.Compare.Rounds) != 2 || doc.Compare.Averages[0].Bad != 0 || doc.Compare.Averages[1].Bad != 20 {
		t.Errorf("%v, %+v", err, doc.Compare)
	}
}

func TestWrongCommandLines(t *testing.T) {
	for want, args := range map[string][]string{
		"1 target(s)":       nil,
		"2 target(s)":       {"--compare", "localhost:1"},
		"another machine":   {"example.org:8501"},
		"scheme is http":    {"ftp://localhost"},
		"rest or grpc":      {"localhost:1", "--api=soap"},
		"--warmup=2s":       {"localhost:1", "--warmup=2s", "--duration=1s"},
		"--instances":       {"localhost:1", "--instances=none"},
		"does not go with":  {"localhost:1", "localhost:2", "--compare", "--find_max"},
		"not both":          {"localhost:1", "--model-version=1", "--label=x"},
		"at most 20000":     {"localhost:1", "--clients=30000"},
		"must be positive":  {"localhost:1", "--rounds=0"},
		"is no address":     {"http://"},
		"must not be negat": {"localhost:1", "--rate=-5"},
	} {
		if _, err := parse(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]address{
		"localhost:8501":                {api: "rest", host: "localhost:8501"},
		"http://127.0.0.1":              {api: "rest", host: "127.0.0.1:80"},
		"https://[::1]:9/":              {api: "rest", tls: true, host: "[::1]:9"},
		"grpc://localhost":              {api: "grpc", host: "localhost:8500"},
		"http://localhost:1/inference?": {api: "rest", host: "localhost:1", path: "/inference?"},
	} {
		if got, err := parseAddress(text, ""); err != nil || got != want || !got.loopback() {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}
