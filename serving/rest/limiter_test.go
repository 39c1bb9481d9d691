package rest

import (
	"context"
	"net/http"
	"strings"
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

// TestDecodingIsBounded fills the decoder's slots: a large body waits until its deadline, a small one passes.
func TestDecodingIsBounded(t *testing.T) {
	s := start(t, Options{DecodeLimit: 1, Timeout: 50 * time.Millisecond})
	if err := s.decoding.acquire(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	large := one + strings.Repeat(" ", smallBody)
	s.post(predictURL, large).wantError(t, http.StatusGatewayTimeout, status.Convert(errDecodeWait).Message())
	s.post(predictURL, one).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	s.decoding.release()
	s.post(predictURL, large).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	if len(s.decoding.slots) != 0 {
		t.Error("a slot was not released")
	}
}

// TestRefusedUndecoded: a large body that would be refused anyway is not looked at, unless there is no such model.
func TestRefusedUndecoded(t *testing.T) {
	core := newFakeCore()
	core.Loaded["half_plus_two"][2].refuses = status.Error(codes.Unavailable, "the queue is full")
	s := start(t, Options{Core: core})
	large := strings.Repeat(" ", smallBody) + `{"instances": `
	for _, c := range []struct {
		path, body string
		code       int
	}{
		{predictURL, large, http.StatusServiceUnavailable},
		{"/v1/models/half_plus_two:classify", large, http.StatusServiceUnavailable},
		{"/v1/models/half_plus_two/versions/1:predict", large, http.StatusBadRequest},
		{"/v1/models/nobody:predict", large, http.StatusBadRequest},
		{predictURL, `{"instances": `, http.StatusBadRequest},
	} {
		if a := s.post(c.path, c.body); a.status != c.code {
			t.Errorf("%s, %d bytes: %d %s, want %d", c.path, len(c.body), a.status, a.body, c.code)
		}
	}
}
