package manager

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// Ready makes the puppet a Readier.
func (s *puppetServable) Ready() error {
	if s.stranded.Load() {
		return status.Error(codes.Unavailable, "no device is left")
	}
	return nil
}

// Warning makes the puppet a Warner.
func (s *puppetServable) Warning() string {
	if s.warns.Load() {
		return "a run is overdue"
	}
	return ""
}

// What a version warns of does not make the server less ready.
func TestWarnings(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.puppet.opened[0].warns.Store(true)
		if ready, all := s.Ready(); !ready || !slices.Equal(all, []string{"model m, version 1: a run is overdue"}) {
			t.Errorf("%v %q", ready, all)
		}
		s.puppet.opened[0].warns.Store(false)
		if ready, all := s.Ready(); !ready || len(all) != 0 {
			t.Errorf("%v %q", ready, all)
		}
	})
}

// A model is not ready while none of its available versions can answer, and is again when one can.
func TestNotReadyWithoutDevices(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		s.config(serving.ModelConfig{Name: "m", BasePath: "/m", Platform: "tensorflow", Policy: serving.VersionPolicy{All: true}})
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
