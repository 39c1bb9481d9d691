package rest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(2)
		deadline := time.Now().Add(30 * time.Second)
		for range 2 {
			if err := l.acquire(t.Context(), deadline); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := l.acquire(t.Context(), deadline); status.Code(err) != codes.DeadlineExceeded || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := l.acquire(t.Context(), deadline); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("after the deadline: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.acquire(ctx, time.Time{}) }()
		synctest.Wait()
		cancel()
		if err := <-ended; status.Code(err) != codes.Unavailable {
			t.Errorf("stopped: %v", err)
		}
		go func() { ended <- l.acquire(t.Context(), time.Time{}) }()
		synctest.Wait()
		l.release()
		if err := <-ended; err != nil {
			t.Errorf("released: %v", err)
		}
	})
}
