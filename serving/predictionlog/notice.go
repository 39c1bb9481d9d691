package predictionlog

import (
	"sync"
	"time"
)

// quiet is how long nothing more is told of a thing that goes on happening.
const quiet = time.Minute

// notice counts what must be told, but not each time it happens.
type notice struct {
	mu   sync.Mutex
	n    int // not told yet
	last time.Time
}

// add counts k more and returns how many to tell of now: at once the first time, then at most once a minute; else 0.
func (c *notice) add(k int) (tell int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += k
	if now := time.Now(); c.last.IsZero() || now.Sub(c.last) >= quiet {
		tell, c.n, c.last = c.n, 0, now
	}
	return tell
}

// rest is what has not been told yet.
func (c *notice) rest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
