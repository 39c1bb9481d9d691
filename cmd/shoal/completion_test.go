package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bash itself completes with the script: commands, flags, their values, files and directories.
func TestCompletionOfBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	script, stderr, code := runCommand("completion", "bash")
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
	if _, stderr, code := runCommand("completion", "tcsh"); code != 2 || !strings.Contains(stderr, "bash, zsh or fish") {
		t.Errorf("another shell: exit %d, %q", code, stderr)
	}
}

// The other shells read their scripts, where they are installed, and all commands and flags are in them.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, _, code := runCommand("completion", shell)
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
