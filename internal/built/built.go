// Package built builds the program for tests that start it as a process.
package built

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sources is a template for `go list`: the files that a package of this module consists of, and its folder, which changes when a
// file is added.
const sources = `{{with .Module}}{{if .Main}}{{.GoMod}}
{{$.Dir}}{{range $.GoFiles}}
{{$.Dir}}/{{.}}{{end}}{{range $.CgoFiles}}
{{$.Dir}}/{{.}}{{end}}{{range $.CFiles}}
{{$.Dir}}/{{.}}{{end}}{{range $.HFiles}}
{{$.Dir}}/{{.}}{{end}}{{range $.EmbedFiles}}
{{$.Dir}}/{{.}}{{end}}{{end}}{{end}}`

// Shoal builds the command shoal in dir and returns its path. Only tests of this module can call it.
//
// go test repeats a test when a file has changed that the test looked at. It does not see what `go build` reads, so Shoal looks at
// all source files of the program itself. Call it while a test runs: go test does not see what TestMain looks at before.
func Shoal(dir string) (path string, err error) {
	const program = "shoal/cmd/shoal"
	path = filepath.Join(dir, "shoal")
	if out, err := exec.Command("go", "build", "-o", path, program).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	list, err := exec.Command("go", "list", "-deps", "-f", sources, program).Output()
	if err != nil {
		return "", fmt.Errorf("listing the program's source files: %w", err)
	}
	for name := range strings.Lines(string(list)) {
		if _, err := os.Stat(strings.TrimSpace(name)); err != nil {
			return "", err
		}
	}
	return path, nil
}
