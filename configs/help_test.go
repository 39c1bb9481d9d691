package configs

import (
	"bytes"
	"flag"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files and docs/flags.md")

// golden compares what write prints with a file, or makes it the file.
func golden(t *testing.T, path string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is out of date: run go generate ./configs\n%s", path, got.Bytes())
	}
}

func TestHelpGolden(t *testing.T) { golden(t, "testdata/help.golden", WriteHelp) }
func TestDocs(t *testing.T)       { golden(t, "../docs/flags.md", WriteMarkdown) }

func TestHelpIsReadable(t *testing.T) {
	var help strings.Builder
	if err := WriteHelp(&help); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(help.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 110 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for f := range Flags() {
		if !strings.Contains(help.String(), "  --"+f.Name) {
			t.Errorf("--%s is missing", f.Name)
		}
	}
}

func TestEffective(t *testing.T) {
	s, err := Parse([]string{"--port=9", "--enable_profiler=false", "--rest_api_port=8501"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	all, changed := s.Effective()
	slog.New(slog.NewTextHandler(&out, nil)).LogAttrs(t.Context(), slog.LevelInfo, "configuration", all, changed)
	if strings.Count(out.String(), " set.") != 1 {
		t.Errorf("of the flags set, one differs from its default: %s", out.String())
	}
	for _, want := range []string{"set.port=9", "flag.port=9", "flag.rest_api_port=8501", "flag.drain_timeout=30s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "profiler") {
		t.Error("a flag without effect is listed as effective")
	}
}
