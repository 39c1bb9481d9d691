package tune

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func openLoop(tb testing.TB, threads int) *Loop {
	tb.Helper()
	dir := filepath.Join("..", "..", ".cache", "models", "test", "mlp", "1")
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("the test models are not there (make test-deps makes them): %v", err)
	}
	l, err := OpenLoop(dir, LoopOptions{Instances: threads})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.Close)
	return l
}

func TestThroughput(t *testing.T) {
	l := openLoop(t, 2)
	got, err := l.Throughput(4, 1)
	if err != nil || got < 0 {
		t.Errorf("%v instances/s, %v", got, err)
	}
	if err := l.RunOne(l.Batch(3)); err != nil {
		t.Error(err)
	}
}

// BenchmarkSession is one instance, one thread.
func BenchmarkSession(b *testing.B) {
	l := openLoop(b, 1)
	for _, rows := range []int{1, 8, 32, 64, 256} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			batch := l.Batch(rows)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.RunOne(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
