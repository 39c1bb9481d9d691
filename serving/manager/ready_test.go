package manager

import (
	"testing"
	"time"

	"shoal/serving"
)

// A server that starts is not ready while one of its versions is still loading, even though another one serves; later
// versions that load beside one that serves do not change that it is.
func TestReadyOnceTheFirstVersionsHaveSettled(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		second := s.puppet.holds("/m/2")
		all := serving.ModelConfig{Name: "m", BasePath: "/m", Platform: "tensorflow", Policy: serving.VersionPolicy{All: true}}
		s.config(all)
		s.pass(time.Millisecond)
		s.want("m", "2 LOADING, 1 AVAILABLE")
		s.wantReason("model m: version 2 is loading")
		second(nil)
		s.pass(time.Millisecond)
		s.wantReason("")

		third := s.puppet.holds("/m/3")
		s.source.put("/m", 3)
		s.pass(2 * time.Second)
		s.want("m", "3 LOADING, 2 AVAILABLE, 1 AVAILABLE")
		s.wantReason("")
		third(nil)
		s.pass(time.Millisecond)

		// A model that comes back begins anew.
		s.source.drop("/m", 3)
		s.config()
		s.pass(time.Millisecond)
		s.config(all)
		s.pass(time.Millisecond)
		s.wantReason("model m: version 2 is loading")
		second(nil)
		s.pass(time.Millisecond)
		s.wantReason("")
	})
}
