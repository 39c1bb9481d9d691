package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// What tune recommends, as flags and as a file, is what serve takes.
func TestTuneAndServe(t *testing.T) {
	root, file := testModels(t), filepath.Join(t.TempDir(), "batching.config")
	out, stderr, code := shoal(t, root, "tune", "--model_base_path=half_plus_two", "--time=300ms", "--max_batch_size=8", "--out="+file)
	if code != 0 || !strings.Contains(out, "written to") {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	_, line, _ := strings.Cut(out, "recommended: shoal serve ")
	line, _, _ = strings.Cut(line, "\n")
	const body, want = `{"instances":[1.0,2.0,5.0,1.0,2.0,5.0,1.0,2.0,5.0]}`, `{"predictions":[3.5,4.0,5.5,3.5,4.0,5.5,3.5,4.0,5.5]}`
	for _, flags := range [][]string{strings.Fields(line), {"--batching_parameters_file=" + file}} {
		if len(flags) == 0 {
			t.Fatalf("no recommendation in\n%s", out)
		}
		s := startModel(t, "half_plus_two", flags...)
		s.want("POST", "/v1/models/half_plus_two:predict", body, 200, want)
	}
}

func TestTuneJSON(t *testing.T) {
	out, stderr, code := shoal(t, testModels(t), "tune", "half_plus_two/1", "--time=200ms", "--max-batch-size=2", "--json=-")
	var doc struct {
		Result struct {
			Cells []struct {
				Batch, Instances, Threads int
				Throughput                float64
			}
			Best *struct{ Batch int }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 || doc.Result.Best == nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
	}
	for _, c := range doc.Result.Cells {
		if c.Batch < 1 || c.Batch > 2 || c.Instances < 1 || c.Threads < 1 || c.Throughput <= 0 {
			t.Errorf("%+v", c)
		}
	}
}

func TestTuneRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"one directory is needed":       {},
		"has no batch dimension":        {"nonbatch"},
		"has no signature \"other\"":    {"half_plus_two", "--signature=other"},
		"no SavedModel in no_such":      {"no_such_model"},
		"must be positive":              {"half_plus_two", "--time=0s"},
		"No setting answers within 1ns": {"half_plus_two", "--time=100ms", "--p99=1ns", "--max-batch-size=1"},
	} {
		out, stderr, _ := shoal(t, testModels(t), append([]string{"tune"}, args...)...)
		if !strings.Contains(out+stderr, want) {
			t.Errorf("%v: %q is missing in\n%s%s", args, want, out, stderr)
		}
	}
}
