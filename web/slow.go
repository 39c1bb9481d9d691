package web

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"shoal/serving"
)

// slowKept is how many requests are on the board: with steady traffic, those of at least a minute.
const slowKept = 60

// slowCall is a request on the board. Its durations are in milliseconds. Phases of 0 were not measured.
type slowCall struct {
	At        int64   `json:"at"` // of the answer, in milliseconds of Unix time
	API       string  `json:"api"`
	Method    string  `json:"method"`
	Model     string  `json:"model"`
	Version   *int64  `json:"version,omitempty"`
	Signature string  `json:"signature,omitempty"`
	Code      string  `json:"code,omitempty"` // of an error
	Error     string  `json:"error,omitempty"`
	Trace     string  `json:"trace,omitempty"` // the id of a sampled trace
	Total     float64 `json:"total"`
	Decode    float64 `json:"decode,omitempty"`
	Queue     float64 `json:"queue,omitempty"`
	Run       float64 `json:"run,omitempty"`
	Encode    float64 `json:"encode,omitempty"`
}

// slowBoard keeps the last slow requests: the slowest of each second, if it took longer than nearly all requests of the last
// minute. An ordinary request costs one atomic load.
type slowBoard struct {
	threshold atomic.Int64 // nanoseconds; a request that took no longer is ordinary

	mu      sync.Mutex
	slowest slowCall // of this second
	any     bool     // there is one
	board   []slowCall
}

// exceeded reports whether a request took long enough to be offered.
func (b *slowBoard) exceeded(d time.Duration) bool { return int64(d) > b.threshold.Load() }

// offer keeps the call if it is the slowest of its second.
func (b *slowBoard) offer(c *serving.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.exceeded(c.Duration) {
		return // another call has raised the threshold in the meantime
	}
	b.slowest, b.any = newSlowCall(c), true
	b.threshold.Store(int64(c.Duration))
}

// collect ends a second: its slowest request goes on the board. usual is the duration that later requests must exceed. The list
// is in order from newest to oldest, and the caller owns it.
func (b *slowBoard) collect(usual time.Duration) (list []slowCall, changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.threshold.Store(int64(usual))
	if !b.any {
		return nil, false
	}
	b.any = false
	b.board = append(b.board, b.slowest)
	b.board = slices.Delete(b.board, 0, max(0, len(b.board)-slowKept))
	list = slices.Clone(b.board)
	slices.Reverse(list)
	return list, true
}
