package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runCommand runs a command in this process and returns what it writes to each stream, and its exit code.
func runCommand(args ...string) (stdout, stderr string, code int) {
	var out, errs strings.Builder
	code = run(args, &out, &errs)
	return out.String(), errs.String(), code
}

// writeFile writes a file into dir and returns its path.
func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each command prints its help to the standard output.
func TestEveryHelp(t *testing.T) {
	for _, c := range commands() {
		for _, args := range [][]string{{c.name, "--help"}, {c.name, "-h"}, {"help", c.name}} {
			stdout, stderr, code := runCommand(args...)
			if code != 0 || stderr != "" || !strings.HasPrefix(strings.ToLower(stdout), "usage: shoal "+c.name) {
				t.Errorf("%v: exit %d, %q %q", args, code, stdout, stderr)
			}
		}
	}
	if stdout, _, _ := runCommand("check", "--help"); strings.Contains(stdout, "usage: shoal serve") || !strings.Contains(stdout, "shoal serve --help lists them") {
		t.Errorf("check's own help does not say where its flags are listed: %s", stdout)
	}
}

// A typing error in a command is answered with the nearest one, in one line.
func TestNearestCommand(t *testing.T) {
	for typed, meant := range map[string]string{"serv": "serve", "srve": "serve", "bensh": "bench", "inspct": "inspect", "tpo": "top", "complete": "completion"} {
		_, stderr, code := runCommand(typed, "--port=1")
		if code != 2 || stderr != fmt.Sprintf("shoal: there is no command %q: did you mean \"shoal %s\"?\n", typed, meant) {
			t.Errorf("%s: exit %d, %q", typed, code, stderr)
		}
	}
	if _, stderr, code := runCommand("xyzzy"); code != 2 || strings.Contains(stderr, "did you mean") || !strings.Contains(stderr, "shoal serve ") {
		t.Errorf("what is near to nothing: exit %d, %q", code, stderr)
	}
}
