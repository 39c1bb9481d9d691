package archive

import (
	"sync"
	"time"
)

// When an archive that was served and has changed counts as complete. One that was not served yet is the manager's to judge.
const (
	quietTime  = 3 * time.Second
	settleTime = time.Second
)

// place is what Versions has told of an archive. Once a version from there was served, a change is told only when the archive rests:
// until then the manager keeps what it has.
type place struct {
	mu      sync.Mutex
	told    state
	next    string    // the key of a change that was not told yet
	since   time.Time // when it was seen first
	serving bool      // a version from there was fetched
}

func (s *Source) place(at string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[at]
	if p == nil {
		p = &place{}
		s.places[at] = p
	}
	return p
}

// tell is the key to tell, where the archive is in this state now.
func (p *place) tell(now state, moment time.Time) (key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != now.key {
		p.next, p.since = now.key, moment
	}
	if !p.serving || now.key == p.told.key || moment.Sub(now.changed) >= quietTime || moment.Sub(p.since) >= settleTime {
		p.told = now
	}
	return p.told.key
}

// changedAt is when an archive with that key has changed; the zero time where it rests.
func (p *place) changedAt(key string) (t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.serving && p.told.key == key {
		t = p.told.changed
	}
	return t
}

func (p *place) fetched() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = true
}
