package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"shoal/configs"
)

func readBatching(t *testing.T, text string) (*Batching, error) {
	t.Helper()
	return ReadBatching(write(t, "batching.config", text))
}

// write makes a file in a directory of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBatching(t *testing.T) {
	cpus := runtime.NumCPU()
	for _, c := range []struct {
		text string
		want Batching
	}{
		{"", Batching{MaxBatchSize: 1000, MaxExecutionBatchSize: 1000, MaxEnqueuedBatches: 10, NumBatchThreads: cpus, ThreadPoolName: "batch_threads"}},
		{`max_batch_size { value: 128 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 1000000 }
		  num_batch_threads { value: 8 } thread_pool_name { value: "pool" } pad_variable_length_inputs: true
		  allowed_batch_sizes: 32 allowed_batch_sizes: [64, 128]`,
			Batching{MaxBatchSize: 128, MaxExecutionBatchSize: 128, BatchTimeout: 1500 * time.Microsecond, MaxEnqueuedBatches: 1000000,
				NumBatchThreads: 8, ThreadPoolName: "pool", AllowedBatchSizes: []int{32, 64, 128}, PadVariableLength: true}},
		{`max_batch_size: { value: 100 }, enable_large_batch_splitting { value: true } max_execution_batch_size { value: 25 }`,
			Batching{MaxBatchSize: 100, MaxExecutionBatchSize: 25, MaxEnqueuedBatches: 10, NumBatchThreads: cpus, ThreadPoolName: "batch_threads", Split: true}},
		{`enable_large_batch_splitting { value: true }`,
			Batching{MaxBatchSize: 1000, MaxExecutionBatchSize: 1000, MaxEnqueuedBatches: 10, NumBatchThreads: cpus, ThreadPoolName: "batch_threads", Split: true}},
		{`max_batch_size { value: 8 } max_execution_batch_size { value: 4 }`, // without splitting it means nothing
			Batching{MaxBatchSize: 8, MaxExecutionBatchSize: 8, MaxEnqueuedBatches: 10, NumBatchThreads: cpus, ThreadPoolName: "batch_threads"}},
	} {
		got, err := readBatching(t, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got.given = nil
		if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.text, *got, c.want)
		}
	}
}

func TestBatchingGiven(t *testing.T) {
	b, err := readBatching(t, "max_batch_size {} num_batch_threads { value: 2 }")
	if err == nil || b != nil || !strings.Contains(err.Error(), "max_batch_size must be positive; was 0") {
		t.Errorf("an empty wrapper is 0: %v", err)
	}
	b, err = readBatching(t, "num_batch_threads { value: 2 } batch_timeout_micros { }")
	if err != nil || !b.Given("num_batch_threads") || !b.Given("batch_timeout_micros") || b.Given("max_batch_size") {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestBatchingFaults(t *testing.T) {
	for text, want := range map[string][]string{
		"max_batch_size { value: 100 } allowed_batch_sizes: [10, 50]": {
			"Last entry in allowed_batch_sizes must match max_batch_size; last entry was 50; expected 100"},
		"allowed_batch_sizes: 50": {"Last entry in allowed_batch_sizes must match max_batch_size; last entry was 50; expected 1000"},
		// Compared with max_batch_size even when batches are split.
		`max_batch_size { value: 100 } enable_large_batch_splitting { value: true } max_execution_batch_size { value: 50 }
		 allowed_batch_sizes: [10, 50]`: {"Last entry in allowed_batch_sizes must match max_batch_size; last entry was 50; expected 100"},
		"max_batch_size { value: 8 } allowed_batch_sizes: [4, 4, 8]": {
			"allowed_batch_sizes entries must be monotonically increasing; 4 follows 4"},
		`max_batch_size { value: 8 } enable_large_batch_splitting { value: true } max_execution_batch_size { value: 9 }`: {
			"max_execution_batch_size must be at most max_batch_size; was 9, max_batch_size is 8"},
		`max_batch_size { value: 0 } batch_timeout_micros { value: -1 } max_enqueued_batches { value: 0 }
		 num_batch_threads { value: -2 } allowed_batch_sizes: 0`: {
			"max_batch_size must be positive; was 0",
			"max_enqueued_batches must be positive; was 0",
			"num_batch_threads must be positive; was -2",
			"batch_timeout_micros must be non-negative; was -1",
			"allowed_batch_sizes entries must be positive; was 0",
			"Last entry in allowed_batch_sizes must match max_batch_size; last entry was 0; expected 1000",
		},
	} {
		_, err := readBatching(t, text)
		if got, _ := errors.AsType[configs.Faults](err); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", text, []string(got), want)
		}
	}
	_, err := readBatching(t, "max_batch_size: 128")
	if err == nil || !strings.HasPrefix(err.Error(), "Error parsing text-format tensorflow.serving.BatchingParameters: 1:") {
		t.Errorf("%v", err)
	}
}
