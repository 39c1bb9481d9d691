package configs_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Small programs read a server's flags with this package: it imports no other of the project, and needs no cgo.
func TestImportsNothingOfOurs(t *testing.T) {
	const own = "shoal/configs"
	format := `{{.ImportPath}} {{if and .CgoFiles (not .Standard)}}cgo{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, own).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := false
	for line := range strings.Lines(string(out)) {
		path, cgo, _ := strings.Cut(strings.TrimSpace(line), " ")
		found = found || path == own
		if strings.HasPrefix(path, "shoal/") && path != own || cgo != "" || strings.HasPrefix(path, "google.golang.org/") {
			t.Errorf("%s imports %s %s", own, path, cgo)
		}
	}
	if !found {
		t.Errorf("go list does not name %s:\n%s", own, out)
	}
}
