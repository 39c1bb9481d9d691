package devices

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const groupsFile = `
# words of Triton's config.pbtxt
model { name: "resnet"  instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 2 ] }, { kind: KIND_CPU } ] }
model {
  name: "tokens"
  instance_group { kind: KIND_CPU count: 3 name: "small" }
}
model { name: "mixed"   instance_group { devices: [ "gpu:1", "cpu:0" ] } }
model { name: "all"     instance_group { count: 1 devices: "gpu" } }
instance_group { kind: KIND_AUTO count: 1 }
`

func placements(list []Placement) string {
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("%d×%s", p.Count, targets([]Target{p.Target})))
	}
	return strings.Join(words, " ")
}

func TestGroups(t *testing.T) {
	g, err := ParseGroups([]byte(groupsFile))
	if err != nil {
		t.Fatal(err)
	}
	inv, _ := discover(t, newBox(4), nil)
	for spec, want := range map[string]map[string]string{
		"auto": {
			"resnet": "2×gpu:0=GPU:0 2×gpu:2=GPU:2 0×cpu:0=CPU:0",
			"tokens": "3×cpu:0=CPU:0",
			"mixed":  "0×gpu:1=GPU:1 0×cpu:0=CPU:0",
			"other":  "1×gpu:0=GPU:0 1×gpu:1=GPU:1 1×gpu:2=GPU:2 1×gpu:3=GPU:3",
		},
		"gpu:2,1,0": { // names follow the selection, numbers do not
			"resnet": "2×gpu:0=GPU:2 2×gpu:2=GPU:0 0×cpu:0=CPU:0",
			"all":    "1×gpu:2=GPU:0 1×gpu:1=GPU:1 1×gpu:0=GPU:2",
			"other":  "1×gpu:2=GPU:0 1×gpu:1=GPU:1 1×gpu:0=GPU:2",
		},
		"cpu": {"tokens": "3×cpu:0=CPU:0", "other": "1×cpu:0=CPU:0"},
	} {
		s, err := inv.Select(spec)
		if err != nil {
			t.Fatal(err)
		}
		for model, want := range want {
			got, err := s.Place(g.For(model))
			if err != nil || placements(got) != want {
				t.Errorf("--devices=%s, %s: %s, %v; want %s", spec, model, placements(got), err, want)
			}
		}
	}
	s, _ := inv.Select("gpu:0")
	err = g.Validate(s)
	for _, line := range []string{
		`model "mixed", instance_group 1: gpu:1 is not among the devices that --devices gives the server`,
		`model "resnet", instance_group 1: gpu:2 is not among the devices`,
	} {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("validation finds\n%v, want %q", err, line)
		}
	}
	if n := strings.Count(fmt.Sprint(err), "\n"); n != 1 {
		t.Errorf("validation finds %d more faults:\n%v", n-1, err)
	}
	var none *Groups
	if got, err := s.Place(none.For("any")); err != nil || placements(got) != "0×gpu:0=GPU:0" || none.Validate(s) != nil {
		t.Errorf("without groups: %s, %v", placements(got), err)
	}
}

func TestEngineOfAModel(t *testing.T) {
	g, err := ParseGroups([]byte(`model { name: "a" engine: "auto" } model { name: "b" instance_group { count: 2 } } instance_group { count: 3 }`))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := g.Engine("a"), g.Engine("b"); a != "auto" || b != "" {
		t.Errorf("engines %q and %q", a, b)
	}
	if list := g.For("a"); len(list) != 1 || list[0].Count != 3 {
		t.Errorf("a model with an engine and no groups has %v, want those of all other models", list)
	}
	if (*Groups)(nil).Engine("a") != "" {
		t.Error("no file names an engine")
	}
}

func TestGroupsOnOneDevice(t *testing.T) {
	inv, _ := discover(t, newBox(2), nil)
	s, _ := inv.Select("auto")
	got, err := s.Place([]Group{{Count: 1, Kind: "KIND_GPU"}, {Count: 2, GPUs: []int{1}}})
	if err != nil || placements(got) != "1×gpu:0=GPU:0 3×gpu:1=GPU:1" {
		t.Errorf("%s, %v", placements(got), err)
	}
	s, _ = inv.Select("cpu")
	if _, err := s.Place([]Group{{Kind: "KIND_GPU"}}); err == nil || !strings.Contains(err.Error(), "--devices leaves no GPU") {
		t.Errorf("a GPU with --devices=cpu: %v", err)
	}
}

func TestGroupFaults(t *testing.T) {
	_, err := ParseGroups([]byte(`
		model { name: "a" instance_group { count: -1 kind: KIND_MODEL } }
		model { name: "b" }
		model { instance_group { kind: KIND_CPU gpus: 0 } }
		model { name: "a" instance_group { gpus: [ 1, 1, -3 ] } }
		model { name: "c" instance_group { gpus: 1 devices: "cpu" } }
		model { name: "d" engine: "fastest" }
	`))
	want := []string{
		`model "a", instance_group 1: count is -1`, `model "a", instance_group 1: KIND_MODEL is not supported`,
		`model "b": has neither an instance_group nor an engine`,
		`model 3: has no name`, `model 3, instance_group 1: gpus are given and kind is KIND_CPU`,
		`model "a": is named twice`, `model "a", instance_group 1: gpus: 1 is named twice`, `model "a", instance_group 1: gpus: -3 is no number`,
		`model "c", instance_group 1: devices stands in the place`,
		`model "d": engine is "fastest": write tensorflow, auto or openvino`,
	}
	got := strings.Split(fmt.Sprint(err), "\n")
	if status.Code(err) != codes.InvalidArgument || len(got) != len(want) {
		t.Fatalf("%d faults, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("fault %q, want %q", got[i], want[i])
		}
	}
	for text, word := range map[string]string{
		`model { name: "a" instance_group { cuont: 1 } }`:       "unknown field: cuont",
		`model { name: "a" instance_group { kind: KIND_TPU } }`: "KIND_TPU",
		`model {`: "unexpected EOF",
	} {
		if _, err := ParseGroups([]byte(text)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
