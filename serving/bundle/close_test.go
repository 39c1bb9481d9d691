package bundle

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shoal/batcher"
	"shoal/internal/testlog"
	"shoal/tensor"
)

// lasting is an executor whose runs last until they are let go.
type lasting struct{ release chan struct{} }

func (x lasting) Run(*tensor.Batch) (*tensor.Result, error) {
	<-x.release
	return &tensor.Result{}, nil
}

// A run that does not end keeps the model's memory, but not whoever closes the version.
func TestCloseDoesNotWaitForeverForARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := lasting{make(chan struct{})}
		b, err := batcher.New(batcher.Config{}, []batcher.Executor{x}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		log := new(testlog.Log)
		freed := false
		v := &Bundle{batcher: b, log: log.Logger(), members: []*member{{release: func() { freed = true }}}}
		_, _ = v.Run(t.Context(), batcher.Entry{Signature: &tensor.Signature{}, Deadline: time.Now().Add(time.Second)})
		start := time.Now()
		v.Close()
		if took := time.Since(start); took != closePatience || freed || !strings.Contains(log.String(), "does not end") {
			t.Errorf("closed after %v, freed: %v; %s", took, freed, log)
		}
		close(x.release)
		synctest.Wait()
		if !freed {
			t.Error("the run has ended, and the memory is kept")
		}
	})
}
