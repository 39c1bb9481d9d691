package bundle

import (
	"sync"

	"shoal/batcher"
)

// maxRemembered is the number of programs whose runs are remembered.
const maxRemembered = 256

// sizeMemory remembers how long batches of a program ran, so that another version of it, trained further, begins where the last one
// is. A nil one remembers nothing.
type sizeMemory struct {
	mu    sync.Mutex
	known map[string][]batcher.Timing
	live  map[string]*batcher.Batcher // the one made last
}

func newSizeMemory() *sizeMemory {
	return &sizeMemory{known: make(map[string][]batcher.Timing), live: make(map[string]*batcher.Batcher)}
}

// recall returns the runs of the program's version that serves, or of the last that did.
func (m *sizeMemory) recall(program string) []batcher.Timing {
	if m == nil || program == "" {
		return nil
	}
	m.mu.Lock()
	b, known := m.live[program], m.known[program]
	m.mu.Unlock()
	if b != nil {
		if now := b.Timings(); len(now) > 0 {
			return now
		}
	}
	return known
}

// serves says that the program runs on this batcher now.
func (m *sizeMemory) serves(program string, b *batcher.Batcher) {
	if m != nil && program != "" {
		m.mu.Lock()
		m.live[program] = b
		m.mu.Unlock()
	}
}

// ends takes down what the batcher has found.
func (m *sizeMemory) ends(program string, b *batcher.Batcher) {
	if m == nil || program == "" || b == nil {
		return
	}
	found := b.Timings()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[program] == b {
		delete(m.live, program)
	}
	if len(found) == 0 {
		return
	}
	for other := range m.known { // any of them goes
		if len(m.known) < maxRemembered {
			break
		}
		delete(m.known, other)
	}
	m.known[program] = found
}
