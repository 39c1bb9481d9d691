package batcher

import (
	"sync"
	"time"
)

// brief is the processor time up to which a run is brief: no other run notices it.
const brief = 2 * time.Millisecond

// Limiter has the places of the runs of all batchers that share it (num_batch_threads). Long runs share as many places fairly
// between models, by the processor time that they use. Brief runs never wait for a long one: as many of them run besides, and
// the kernel shares the cores between both, which it does better than a queue; while they are many, long runs leave one core free
// (reserve). A run that is overdue has no place any more.
// A nil limiter does not limit. It is safe for concurrent use.
type Limiter struct {
	weights map[string]float64

	mu     sync.Mutex // taken last, and held for a few instructions
	kinds  [2]fair
	models map[string]*claim
	brief  reserve
}

// The kinds of runs.
const (
	briefRun = iota
	longRun
)

func kindOf(expected time.Duration) int {
	if expected > 0 && expected <= brief {
		return briefRun
	}
	return longRun // or nothing is known of it yet
}

// claim is what a model has of the places: a flow of each kind.
type claim struct {
	flows    [2]flow
	batchers int // that use it
}

// NewLimiter has n places; n below 1 means no limit. A model that weights does not name has the weight 1.
func NewLimiter(n int, weights map[string]float64) *Limiter {
	if n < 1 {
		return nil
	}
	l := &Limiter{weights: weights, models: make(map[string]*claim)}
	l.kinds[briefRun].free, l.kinds[longRun].free = n, n
	l.brief.possible = n > 1
	return l
}

// join makes a batcher one of those that run the model.
func (l *Limiter) join(model string) *claim {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.models[model]
	if c == nil {
		weight := l.weights[model]
		if weight <= 0 {
			weight = 1
		}
		c = new(claim)
		c.flows[briefRun].weight, c.flows[longRun].weight = weight, weight
		l.models[model] = c
	}
	c.batchers++
	return c
}

// leave is the end of join.
func (l *Limiter) leave(model string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.models[model]; c.batchers > 1 {
		c.batchers--
	} else {
		delete(l.models, model)
	}
}

// place is a worker's claim to run: it has none, waits for one, or holds one. One goroutine at a time uses it, but for giveUp. A nil
// place is that of a worker which is not limited.
type place struct {
	limiter *Limiter
	claim   *claim
	turn    chan struct{} // of capacity 1: it was granted

	// Guarded by Limiter.mu.
	kind    int
	waiting bool
	held    bool
	charged time.Duration // to the flow, for the run at hand
	next    *place
	order   uint64
}

func (l *Limiter) newPlace(c *claim) *place {
	if l == nil {
		return nil
	}
	return &place{limiter: l, claim: c, turn: make(chan struct{}, 1)}
}

// acquire waits for a place for a run that is expected to use that much processor time; 0: that is not known.
func (p *place) acquire(expected time.Duration) {
	if p == nil {
		return
	}
	p.limiter.mu.Lock()
	granted := p.ask(expected)
	p.limiter.mu.Unlock()
	if !granted {
		<-p.turn
	}
}

// renew gives the place back after a run that used so much, and waits for another one. In between nobody is preferred to this
// worker who comes after it by the shares.
func (p *place) renew(used, expected time.Duration) {
	if p == nil {
		return
	}
	p.limiter.mu.Lock()
	before := p.kind
	p.giveBack(used)
	granted := p.ask(expected)
	if p.kind != before {
		p.limiter.grant(before, nil)
	}
	p.limiter.mu.Unlock()
	if !granted {
		<-p.turn
	}
}

// tryAcquire takes a place if there is one that nobody waits for.
func (p *place) tryAcquire(expected time.Duration) bool {
	if p == nil {
		return true
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	return p.limiter.kinds[kindOf(expected)].free > 0 && p.ask(expected)
}

// release gives the place back after a run that used so much.
func (p *place) release(used time.Duration) {
	if p == nil {
		return
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	p.giveBack(used)
	p.limiter.grant(p.kind, nil)
}

// giveUp lets others have the place of a run that goes on and is overdue. What it has used so far is charged.
func (p *place) giveUp(used time.Duration) {
	if p == nil {
		return
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	if p.held {
		p.giveBack(used)
		p.charged = used
		p.limiter.grant(p.kind, nil)
	}
}

// waits tells whether somebody waits for the place.
func (p *place) waits() bool {
	if p == nil {
		return false
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	return p.waiting
}

// covers tells whether a run that is expected to use so much may have the place that the worker holds.
func (p *place) covers(expected time.Duration) bool {
	return p == nil || p.kind == longRun || kindOf(expected) == briefRun
}

// ask asks for a place, and reports whether it was granted at once. Called with Limiter.mu held.
func (p *place) ask(expected time.Duration) (granted bool) {
	p.kind, p.waiting = kindOf(expected), true
	p.limiter.kinds[p.kind].ask(&p.claim.flows[p.kind], p, expected)
	return p.limiter.grant(p.kind, p)
}

// giveBack is called with Limiter.mu held, and grant after it.
func (p *place) giveBack(used time.Duration) {
	p.claim.flows[p.kind].charge(used - p.charged)
	p.charged = 0
	if p.held {
		p.held = false
		p.limiter.kinds[p.kind].free++
	}
	l := p.limiter
	if change := l.brief.ended(p.kind, used); change != 0 {
		l.kinds[longRun].free += change
		l.grant(longRun, nil)
	}
}

// grant gives out what places there are, and reports whether self has one. Called with mu held.
func (l *Limiter) grant(kind int, self *place) (granted bool) {
	for p := l.kinds[kind].grant(); p != nil; p = l.kinds[kind].grant() {
		p.waiting, p.held = false, true
		if p == self {
			granted = true
		} else {
			p.turn <- struct{}{}
		}
	}
	return granted
}
