package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each command tells of itself, on the standard output.
func TestEveryHelp(t *testing.T) {
	for _, c := range commands() {
		for _, args := range [][]string{{c.name, "--help"}, {c.name, "-h"}, {"help", c.name}} {
			stdout, stderr, code := shoal(t, ".", args...)
			if code != 0 || stderr != "" || !strings.HasPrefix(strings.ToLower(stdout), "usage: shoal "+c.name) {
				t.Errorf("%v: exit %d, %q %q", args, code, stdout, stderr)
			}
		}
	}
	if stdout, _, _ := shoal(t, ".", "check", "--help"); strings.Contains(stdout, "usage: shoal serve") || !strings.Contains(stdout, "shoal serve --help lists them") {
		t.Errorf("check's own help does not say where its flags are listed: %s", stdout)
	}
}

// A typing error in a command is answered with the nearest one, in one line.
func TestNearestCommand(t *testing.T) {
	for typed, meant := range map[string]string{"serv": "serve", "srve": "serve", "bensh": "bench", "inspct": "inspect", "tpo": "top", "complete": "completion"} {
		_, stderr, code := shoal(t, ".", typed, "--port=1")
		if code != 2 || stderr != fmt.Sprintf("shoal: there is no command %q: did you mean \"shoal %s\"?\n", typed, meant) {
			t.Errorf("%s: exit %d, %q", typed, code, stderr)
		}
	}
	if _, stderr, code := shoal(t, ".", "xyzzy"); code != 2 || strings.Contains(stderr, "did you mean") || !strings.Contains(stderr, "shoal serve ") {
		t.Errorf("what is near to nothing: exit %d, %q", code, stderr)
	}
}

// bench and top say so in one line where they are given a gRPC port for the REST one.
func TestGRPCPortForREST(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	for command, args := range map[string][]string{"bench": {"bench", s.grpc}, "top": {"top", "--once", s.grpc}} {
		stdout, stderr, code := shoal(t, ".", args...)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "is a gRPC port") || !strings.Contains(stderr, s.grpc) {
			t.Errorf("%s: exit %d, %q %q", command, code, stdout, stderr)
		}
	}
}

// A file that cannot be written is told before the run.
func TestReportThatCannotBeWritten(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	dir := t.TempDir()
	for _, flag := range []string{"--html", "--json"} {
		path := filepath.Join(dir, "no_such", "report")
		_, stderr, code := shoal(t, ".", "bench", s.url, "--duration=1h", flag+"="+path)
		if code != 1 || !strings.Contains(stderr, flag+": ") || !strings.Contains(stderr, path) {
			t.Errorf("%s: exit %d, %q", flag, code, stderr)
		}
	}
	for _, flag := range []string{"--out", "--json"} {
		_, stderr, code := shoal(t, testModels(t), "tune", "half_plus_two", "--time=1h", flag+"="+filepath.Join(dir, "no_such", "file"))
		if code != 1 || !strings.Contains(stderr, flag+": ") {
			t.Errorf("tune %s: exit %d, %q", flag, code, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What takes long tells how far it is where its output is no terminal, too: in lines, without control characters.
func TestProgressInLines(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	for want, args := range map[string][]string{
		"running: step 12 of 12, ": {"bench", s.url, "--curve", "--rate=20", "--duration=200ms", "--warmup=50ms", "--clients=2"},
		"%  batch ":                {"tune", testModels(t) + "/half_plus_two", "--time=200ms", "--max-batch-size=2"},
	} {
		_, stderr, _ := shoal(t, ".", args...)
		if !slices.ContainsFunc(strings.Split(stderr, "\n"), func(line string) bool { return strings.Contains(line, want) }) || strings.ContainsAny(stderr, "\r\x1b") {
			t.Errorf("%v: no line %q, or control characters, in %q", args, want, stderr)
		}
	}
}

// bash itself completes with the script: commands, flags, their values, files and directories.
func TestCompletionOfBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	script, stderr, code := shoal(t, ".", "completion", "bash")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	dir := t.TempDir()
	writeFile(t, dir, "models.config", "")
	if err := os.Mkdir(filepath.Join(dir, "models"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words []string // the last one is being typed
		want  []string // all of them
	}{
		{[]string{"shoal", "ins"}, []string{"inspect"}},
		{[]string{"shoal", ""}, []string{"serve", "inspect", "check", "tune", "bench", "top", "devices", "completion", "version", "help"}},
		{[]string{"shoal", "serve", "--rest_api_p"}, []string{"--rest_api_port="}},
		{[]string{"shoal", "check", "--rest_api_p"}, []string{"--rest_api_port="}},
		{[]string{"tensorflow_model_server", "--model_n"}, []string{"--model_name="}},
		{[]string{"shoal", "bench", "--find"}, []string{"--find-max"}},
		{[]string{"shoal", "serve", "--log_level", "=", "d"}, []string{"debug"}},
		{[]string{"shoal", "serve", "--log_level", "="}, []string{"debug", "info", "warn", "error"}},
		{[]string{"shoal", "serve", "--log_level=d"}, []string{"--log_level=debug"}}, // where = does not divide words
		{[]string{"shoal", "serve", "--listen_early", "=", ""}, []string{"true", "false"}},
		{[]string{"shoal", "serve", "--model_config_file", "=", "mod"}, []string{"models", "models.config"}},
		{[]string{"shoal", "serve", "--model_config_file", "mod"}, []string{"models", "models.config"}},
		{[]string{"shoal", "serve", "--model_base_path", "=", "mod"}, []string{"models"}},
		{[]string{"shoal", "serve", "--port", "=", "8"}, nil},
		{[]string{"shoal", "inspect", "mod"}, []string{"models"}},
		{[]string{"shoal", "completion", "z"}, []string{"zsh"}},
		{[]string{"shoal", "top", "--"}, []string{"--once", "--api_key=", "--help"}},
		{[]string{"shoal", "help", "dev"}, []string{"devices"}},
	} {
		// bash sets these words, and refuses compopt where it does not complete itself.
		cmd := exec.CommandContext(t.Context(), bash, append([]string{"--norc", "-c", script + `
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
complete -p "$1" >/dev/null && _shoal "$1" && printf '%s\n' "${COMPREPLY[@]}"`, "bash"}, c.words...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		got := strings.Fields(string(out))
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q (%v)", c.words, got, c.want, err)
		}
	}
	if _, stderr, code := shoal(t, ".", "completion", "tcsh"); code != 2 || !strings.Contains(stderr, "bash, zsh or fish") {
		t.Errorf("another shell: exit %d, %q", code, stderr)
	}
}

// The other shells read their scripts, where they are installed, and all commands and flags are in them.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, _, code := shoal(t, ".", "completion", shell)
		for _, want := range []string{"serve", "completion", "rest_api_port", "find-max", "max-batch-size"} {
			if code != 0 || !strings.Contains(script, want) {
				t.Errorf("%s: exit %d, nothing of %s", shell, code, want)
			}
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), path, "-n", writeFile(t, t.TempDir(), shell, script)).CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v %s", shell, err, out)
		}
	}
}
