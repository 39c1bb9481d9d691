package bundle

import (
	"slices"
	"testing"

	"shoal/batcher"
)

func TestWarmSizes(t *testing.T) {
	for _, c := range []struct {
		config batcher.Config
		want   []int64
	}{
		{batcher.Config{MaxBatchSize: 64}, []int64{1, 2}},
		{batcher.Config{MaxBatchSize: 16, AllowedBatchSizes: []int{2, 4, 16}}, []int64{1, 2, 4, 16}},
	} {
		if got := warmSizes(&c.config); !slices.Equal(got, c.want) {
			t.Errorf("max_batch_size %d, allowed %v: %v, want %v", c.config.MaxBatchSize, c.config.AllowedBatchSizes, got, c.want)
		}
	}
}
