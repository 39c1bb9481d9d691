package serving

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Ready makes the puppet a Readier.
func (s *puppetServable) Ready() error {
	if s.stranded.Load() {
		return status.Error(codes.Unavailable, "no device is left")
	}
	return nil
}

// A model is not ready while none of its available versions can answer, and is again when one can.
func TestNotReadyWithoutDevices(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		s.config(ModelConfig{Name: "m", BasePath: "/m", Platform: "tensorflow", Policy: Policy{All: true}})
		s.pass(time.Second)
		s.want("m", "2 AVAILABLE, 1 AVAILABLE")
		for i, want := range []string{"", "model m: no device is left"} {
			s.puppet.opened[i].stranded.Store(true)
			s.wantReason(want)
		}
		s.puppet.opened[0].stranded.Store(false)
		s.wantReason("")
	})
}
