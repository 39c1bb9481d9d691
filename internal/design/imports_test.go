// Package design holds DESIGN.md to the source code.
package design

import (
	"errors"
	"flag"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the imports in DESIGN.md")

const (
	root   = "../.."
	module = "shoal/"
)

// row is a line of the table of packages: the package, what it holds, and the packages of this module that it imports. A path that
// ends in /... stands for all packages at and below it.
var row = regexp.MustCompile("(?m)^\\| `([a-z0-9_/]+(?:/\\.\\.\\.)?)` \\| (.+) \\| (.*) \\|$")

// TestImports fails when the table of packages in DESIGN.md differs from the code. After a change of imports:
// go test ./internal/design -update. A new package needs a row by hand.
func TestImports(t *testing.T) {
	file := filepath.Join(root, "DESIGN.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	imports := packages(t)
	listed := make(map[string]bool)
	written := row.ReplaceAllStringFunc(string(text), func(line string) string {
		cells := row.FindStringSubmatch(line)
		want := make(map[string]bool)
		found := false
		for pkg, imported := range imports {
			if !covers(cells[1], pkg) {
				continue
			}
			if found = true; listed[pkg] {
				t.Errorf("DESIGN.md has two rows for %s", pkg)
			}
			listed[pkg] = true
			for _, i := range imported {
				if !covers(cells[1], i) {
					want[i] = true
				}
			}
		}
		if !found {
			t.Errorf("DESIGN.md has a row for %s, which is no package", cells[1])
		}
		list := strings.Join(slices.Sorted(maps.Keys(want)), "`, `")
		if list != "" {
			list = "`" + list + "`"
		}
		if list != cells[3] && !*update {
			t.Errorf("DESIGN.md: the imports of %s are %s; it says %s (mend it with: go test ./internal/design -update)", cells[1], list, cells[3])
		}
		return "| `" + cells[1] + "` | " + cells[2] + " | " + list + " |"
	})
	for pkg := range imports {
		if !listed[pkg] {
			t.Errorf("DESIGN.md has no row for %s; add: | `%[1]s` | what it holds |  |", pkg)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func covers(pattern, pkg string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == above || strings.HasPrefix(pkg, above+"/")
	}
	return pkg == pattern
}

// packages are the packages of this module with the packages of this module that they import; those with tests only are left out.
// Files are read in this process and not by `go list`, so that a cached result of the test is not used after they have changed.
func packages(t *testing.T) map[string][]string {
	found := make(map[string][]string)
	context := build.Default
	context.CgoEnabled = true
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == root {
			return err
		}
		if name := entry.Name(); strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" {
			return filepath.SkipDir
		}
		pkg, err := context.ImportDir(path, 0)
		var none *build.NoGoError
		if errors.As(err, &none) || err == nil && len(pkg.GoFiles)+len(pkg.CgoFiles) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		own := []string{}
		for _, i := range pkg.Imports {
			if i, ok := strings.CutPrefix(i, module); ok {
				own = append(own, i)
			}
		}
		found[filepath.ToSlash(rel)] = own
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
