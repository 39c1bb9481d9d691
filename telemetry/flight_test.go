package telemetry

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoal/batcher"
	"shoal/internal/testlog"
)

// TestSlowBatchesLeaveATrace: a batch over its budget does, one below does not, and of many in a short time only the first.
func TestSlowBatchesLeaveATrace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	old := []string{"slow-batch-20200101T000000.000Z.trace", "slow-batch-20200102T000000.000Z.trace", "another.file"}
	for _, name := range old {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var log testlog.Log
	tel, err := New(t.Context(), Options{
		Logger:      slog.New(slog.NewTextHandler(&log, nil)),
		SlowBatches: SlowBatches{Budget: 100 * time.Millisecond, Dir: dir, Files: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	live(tel, "m", 1)
	o := tel.BatchObserver("m", 1)
	run := func(took time.Duration) {
		o.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonIdle, Entries: 1, Rows: 7, Size: 7, Run: took})
	}
	run(100 * time.Millisecond)
	if log.String() != "" {
		t.Errorf("a batch within its budget: %s", &log)
	}
	for range 3 {
		run(101 * time.Millisecond)
	}
	eventually(t, "the trace is there", func() bool { return log.String() != "" })
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 3 || filepath.Base(files[0]) != "another.file" || filepath.Base(files[1]) != old[1] {
		t.Fatalf("%v are left of %v", files, old)
	}
	content, err := os.ReadFile(files[2])
	if err != nil || !bytes.HasPrefix(content, []byte("go 1.")) {
		t.Errorf("no trace of Go's: %.16q, %v", content, err)
	}
	for _, want := range []string{"level=WARN", "model=m", "version=1", "rows=7", "run=101ms", "file=" + files[2]} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in %s", want, &log)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestSlowBatchesWaitForEachOther(t *testing.T) {
	var f flightRecorder
	start := time.Now()
	var due []bool
	for _, after := range []time.Duration{0, 1, flightPause - 1, flightPause, flightPause + 1, 2 * flightPause} {
		due = append(due, f.due(start.Add(after)))
	}
	if want := []bool{true, false, false, true, false, true}; !slices.Equal(due, want) {
		t.Errorf("%v, want %v", due, want)
	}
}

func TestSlowBatchesNeedADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Options{SlowBatches: SlowBatches{Budget: 1, Dir: file, Files: 1}}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}
