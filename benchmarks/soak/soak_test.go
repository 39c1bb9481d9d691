package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"shoal/internal/built"
)

// A short soak of the real server. What it is about is that nothing is wrong and nothing lost, however slow the machine is.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	models := filepath.Join("..", "..", ".cache", "models")
	if _, err := os.Stat(filepath.Join(models, "test")); err != nil {
		t.Skipf("the test models are not there (make test-deps makes them): %v", err)
	}
	binary, err := built.Shoal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := soak(t.Context(), binary, models, 10*time.Second, ""); err != nil {
		t.Error(err)
	}
}

// A table with something wrong or lost fails; refusals do not.
func TestTally(t *testing.T) {
	for _, c := range []struct {
		count func(*tally)
		well  bool
	}{
		{func(y *tally) { y.right("a"); y.refuse("503"); y.fail() }, true},
		{func(y *tally) { y.right("a"); y.mistake("two is %d", 3) }, false},
		{func(y *tally) { y.lose("no answer") }, false},
	} {
		y := newTally()
		c.count(y)
		if well := y.write(t.Output(), time.Second, nil); well != c.well {
			t.Errorf("well: %v, want %v", well, c.well)
		}
	}
}
