package manager

import (
	"context"
	"sync"
)

// slots bounds how many loads (or unloads) run at once. Tickets are served in the order in which they were drawn, so
// that newest versions load first.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting []*ticket
}

type ticket struct {
	slots   *slots
	granted chan struct{} // closed once the ticket holds a slot
}

func newSlots(n int) *slots { return &slots{free: n} }

// draw takes a place in the line; it never blocks. Every ticket is waited for, and done after a wait without error.
func (s *slots) draw() *ticket {
	t := &ticket{slots: s, granted: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		close(t.granted)
	} else {
		s.waiting = append(s.waiting, t)
	}
	return t
}

// wait returns nil when the ticket holds a slot; after an error it holds none and has left the line.
func (t *ticket) wait(ctx context.Context) error {
	select {
	case <-t.granted:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	t.leave()
	return context.Cause(ctx)
}

func (t *ticket) leave() {
	s := t.slots
	s.mu.Lock()
	for i, w := range s.waiting {
		if w == t {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			s.mu.Unlock()
			return
		}
	}
	s.mu.Unlock()
	t.done()
}

// done gives the slot to the next in line.
func (t *ticket) done() {
	s := t.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	next := s.waiting[0]
	s.waiting = s.waiting[1:]
	close(next.granted)
}
