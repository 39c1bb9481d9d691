package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rest"
)

// TestDecodingIsBounded fills the decoder's slots: a large body waits until its deadline, a small one passes.
func TestDecodingIsBounded(t *testing.T) {
	s := start(t, rest.Options{DecodeLimit: 1, Timeout: 50 * time.Millisecond})
	release, err := s.FillDecoder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	large := one + strings.Repeat(" ", rest.SmallBody)
	s.post(predictURL, large).wantError(t, http.StatusGatewayTimeout, status.Convert(rest.ErrDecodeWait).Message())
	s.post(predictURL, one).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	release()
	s.post(predictURL, large).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	if s.Decoding() != 0 {
		t.Error("a slot was not released")
	}
}

// TestRefusedUndecoded: a large body that would be refused anyway is not looked at, unless there is no such model.
func TestRefusedUndecoded(t *testing.T) {
	core := newFakeCore()
	core.Loaded["half_plus_two"][2].refuses = status.Error(codes.Unavailable, "the queue is full")
	s := start(t, rest.Options{Core: core})
	large := strings.Repeat(" ", rest.SmallBody) + `{"instances": `
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
