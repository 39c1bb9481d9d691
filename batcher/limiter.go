package batcher

import (
	"sync"
	"time"
)

// brief is the largest processor time of a brief run. Such a run delays no other noticeably.
const brief = 2 * time.Millisecond

// Limiter bounds the runs of all batchers that share it (num_batch_threads): each needs a place. Long runs share n places fairly
// between models, by the processor time that they use. Brief runs have n places of their own, so they never wait for a long run.
// The kernel shares the cores between both kinds, which it does better than a queue. While there are many brief runs, long runs
// leave one core free (reserve). A run that is overdue loses its place.
//
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
	return longRun // also if nothing is known about the run yet
}

// claim is a model's share of the places: a flow of each kind.
type claim struct {
	flows    [2]flow
	batchers int // that use it
}

// NewLimiter makes a limiter with n places of each kind. It returns nil, which means no limit, if n is below 1. A model without
// an entry in weights has the weight 1.
func NewLimiter(n int, weights map[string]float64) *Limiter {
	if n < 1 {
		return nil
	}
	l := &Limiter{weights: weights, models: make(map[string]*claim)}
	l.kinds[briefRun].free, l.kinds[longRun].free = n, n
	l.brief.possible = n > 1
	return l
}

// join registers a batcher of the model.
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

// leave undoes join.
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

// place is a worker's right to run: the worker has none, waits for one, or holds one. One goroutine at a time uses it, except for
// giveUp and waits. A worker that is not limited has a nil place.
type place struct {
	limiter *Limiter
	claim   *claim
	turn    chan struct{} // of capacity 1; receives when the place is granted

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

// acquire waits for a place for a run that is expected to use that much processor time; 0: it is not known.
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

// renew gives the place back after a run that used that much, and waits for another one. Both happen under one lock, so a worker
// whose turn is later cannot take the place in between.
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

// tryAcquire takes a place if one is free and nobody waits for it, and reports whether it did.
func (p *place) tryAcquire(expected time.Duration) bool {
	if p == nil {
		return true
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	return p.limiter.kinds[kindOf(expected)].free > 0 && p.ask(expected)
}

// release gives the place back after a run that used that much.
func (p *place) release(used time.Duration) {
	if p == nil {
		return
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	p.giveBack(used)
	p.limiter.grant(p.kind, nil)
}

// giveUp gives the place of a run that is overdue to others, while the run goes on. The run is charged for what it has used so far.
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

// waits reports whether the worker waits for a place.
func (p *place) waits() bool {
	if p == nil {
		return false
	}
	p.limiter.mu.Lock()
	defer p.limiter.mu.Unlock()
	return p.waiting
}

// covers reports whether the place that the worker holds is enough for a run that is expected to use that much.
func (p *place) covers(expected time.Duration) bool {
	return p == nil || p.kind == longRun || kindOf(expected) == briefRun
}

// ask asks for a place, and reports whether it was granted at once. Called with Limiter.mu held.
func (p *place) ask(expected time.Duration) (granted bool) {
	p.kind, p.waiting = kindOf(expected), true
	p.limiter.kinds[p.kind].ask(&p.claim.flows[p.kind], p, expected)
	return p.limiter.grant(p.kind, p)
}

// giveBack charges the run and frees the place. Called with Limiter.mu held; the caller calls grant afterwards.
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

// grant gives the free places of a kind to those who wait, and reports whether self got one. Called with mu held.
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
