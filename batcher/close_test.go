package batcher

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Closing with a bound ends at the bound where a run does not end, and it ends at once where nothing runs.
func TestCloseWithin(t *testing.T) {
	within(t, Config{}, 2, nil, func(f *fake) { f.takes = time.Hour }, func(r *rig) {
		e := column(1)
		e.Deadline = time.Now().Add(time.Second)
		if one := r.send(e); status.Code(waitFor(one)) != codes.DeadlineExceeded {
			t.Error(one.err)
		}
		start := time.Now()
		if r.CloseWithin(5*time.Second) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v it is said to be closed", time.Since(start))
		}
		if r.CloseWithin(0) {
			t.Error("a run goes on, and it is said to be closed")
		}
		if _, err := r.Do(t.Context(), column(2)); err != ErrClosed {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !r.CloseWithin(0) {
			t.Error("the run has ended, and it is not closed")
		}
	})
}

func waitFor(c *call) error {
	<-c.done
	return c.err
}
