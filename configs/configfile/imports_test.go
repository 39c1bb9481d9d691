package configfile_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The files are read without the packages that use what they say, and without cgo.
func TestImports(t *testing.T) {
	format := `{{.ImportPath}} {{if and .CgoFiles (not .Standard)}}cgo{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var ours []string
	for line := range strings.Lines(string(out)) {
		path, cgo, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(path, "shoal/") {
			ours = append(ours, path)
		}
		if cgo != "" {
			t.Errorf("%s needs cgo", path)
		}
	}
	slices.Sort(ours)
	if want := []string{"shoal/configs", "shoal/configs/configfile", "shoal/internal/files"}; !slices.Equal(ours, want) {
		t.Errorf("imports of ours, all together: %v, want %v", ours, want)
	}
}
