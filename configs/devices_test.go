package configs

import (
	"strings"
	"testing"
)

func TestInstanceGroupsFile(t *testing.T) {
	load := func(file string) (*Files, error) {
		s, err := Parse([]string{"--model_base_path=" + t.TempDir(), "--instance_groups_file=" + file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Load()
	}
	files, err := load("instance_groups.config")
	if err != nil {
		t.Fatal(err)
	}
	if g := files.Groups.For("resnet"); len(g) != 1 || g[0].Count != 2 || len(g[0].GPUs) != 2 {
		t.Errorf("resnet: %+v", g)
	}
	if g := files.Groups.For("any other"); len(g) != 1 || g[0].Kind != "" {
		t.Errorf("others: %+v", g)
	}
	for text, want := range map[string]string{
		`model { name: "m" instance_group { count: -1 kind: KIND_MODEL } } model { name: "m" instance_group {} }`: `groups: model "m", instance_group 1: count is -1: |groups: model "m", instance_group 1: KIND_MODEL is not supported|groups: model "m": is named twice`,
		`model { name: "m" instance_groups {} }`: "Error parsing text-format",
	} {
		_, err := load(write(t, "groups", text))
		for part := range strings.SplitSeq(want, "|") {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", text, err, part)
			}
		}
	}
	if _, err := load("nowhere"); err == nil || !strings.HasPrefix(err.Error(), "--instance_groups_file: open nowhere") {
		t.Error(err)
	}
	s, _ := Parse([]string{"--model_base_path=x", "--virtual_cpu_devices=-1"}, nil)
	if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), "--virtual_cpu_devices: -1 must be") {
		t.Error(err)
	}
}
