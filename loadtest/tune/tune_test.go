package tune

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shoal/batcher"
	"shoal/configs"
	"shoal/configs/configfile"
)

func cell(batch, instances, threads int, throughput float64, p99 time.Duration) Cell {
	c := Cell{Batch: batch, Instances: instances, Threads: threads, Throughput: throughput, P50: p99, P99: p99}
	c.Request = c.request()
	return c
}

// table is what a dense model on two cores may give.
func table() []Cell {
	const ms = time.Millisecond
	return []Cell{
		cell(1, 2, 1, 100, ms), cell(8, 2, 1, 900, 2*ms), cell(64, 2, 1, 2950, 10*ms), cell(128, 2, 1, 3000, 20*ms),
		cell(1, 1, 2, 60, ms), cell(64, 1, 2, 2960, 9*ms),
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		p99    time.Duration
		batch  int
		thread int
	}{
		{0, 64, 2},                     // the last per cents are not worth twice the batch
		{16 * time.Millisecond, 64, 1}, // one instance makes a request wait for a whole run before its own
		{5 * time.Millisecond, 8, 1},
		{time.Millisecond, 0, 0},
	} {
		r := &Result{Cells: table(), P99: c.p99}
		r.choose()
		if c.batch == 0 != (r.Best == nil) || r.Best != nil && (r.Best.Batch != c.batch || r.Best.Threads != c.thread) {
			t.Errorf("within %v: %+v", c.p99, r.Best)
		}
	}
}

// TestFile: the server's own reader takes the file.
func TestFile(t *testing.T) {
	r := &Result{Cells: table(), P99: 16 * time.Millisecond}
	r.choose()
	path := filepath.Join(t.TempDir(), "batching.config")
	if err := r.WriteFile(path, "two\nlines"); err != nil {
		t.Fatal(err)
	}
	b, err := configfile.ReadBatching(path)
	if err != nil || b.MaxExecutionBatchSize != 64 || b.NumBatchThreads != 2 || b.BatchTimeout != 0 || !b.Split {
		t.Errorf("%+v, %v", b, err)
	}
	c := batcher.Config{MaxBatchSize: b.MaxBatchSize, MaxExecutionBatchSize: b.MaxExecutionBatchSize, MaxTaskRows: b.MaxBatchSize,
		BatchTimeout: b.BatchTimeout, MaxEnqueuedBatches: b.MaxEnqueuedBatches, AllowedBatchSizes: b.AllowedBatchSizes, Split: b.Split}
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := configs.Parse(append([]string{"--model_base_path=/m"}, r.Flags()...), nil); err != nil {
		t.Error(err)
	}
	r = &Result{Cells: table(), P99: 1}
	if r.choose(); r.WriteFile(path, "") == nil {
		t.Error("a file without a recommendation")
	}
}

func TestTable(t *testing.T) {
	r := &Result{Cells: table(), Cut: true}
	r.choose()
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<- recommended", "--time allows more", "--max_batch_size=64 --instances=1 --tensorflow_intra_op_parallelism=2"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestCounts(t *testing.T) {
	if got := counts(6); !slices.Equal(got, []int{6, 3, 1}) {
		t.Error(got)
	}
}
