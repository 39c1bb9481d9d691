package bundle

import (
	"slices"
	"testing"
	"time"

	"shoal/batcher"
	"shoal/serving"
)

func TestSmallest(t *testing.T) {
	ms := func(rows int64, ms float64) serving.Timing {
		return serving.Timing{Rows: rows, Took: time.Duration(ms * float64(time.Millisecond))}
	}
	for _, c := range []struct {
		name    string
		timings []serving.Timing
		want    int
	}{
		{"nothing could be measured", nil, 0},
		{"batching helps for ever", []serving.Timing{ms(1, 1), ms(2, 1), ms(4, 1), ms(8, 1)}, 8},
		{"batching does not help", []serving.Timing{ms(1, 4), ms(2, 8), ms(4, 16)}, 1},
		{"best in the middle, as convolutional models", []serving.Timing{ms(1, 5), ms(2, 9), ms(4, 17), ms(8, 40), ms(16, 100)}, 2},
		{"the last per cents are not worth twice the wait", []serving.Timing{ms(1, 1), ms(2, 1.1), ms(4, 2.1)}, 2},
	} {
		if got := smallest(c.timings, enough); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestWarmSizes(t *testing.T) {
	for _, c := range []struct {
		config batcher.Config
		want   []int64
	}{
		{batcher.Config{MaxBatchSize: 64}, []int64{8, 32, 64}},
		{batcher.Config{MaxBatchSize: 2}, nil},
		{batcher.Config{MaxBatchSize: 16, AllowedBatchSizes: []int{2, 4, 16}}, []int64{4, 16}},
	} {
		c.config.EnsureDefaults()
		if got := warmSizes(c.config); !slices.Equal(got, c.want) {
			t.Errorf("max_batch_size %d, allowed %v: %v, want %v", c.config.MaxBatchSize, c.config.AllowedBatchSizes, got, c.want)
		}
	}
}
