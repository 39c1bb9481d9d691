package bundle

import (
	"sync"
	"sync/atomic"

	"shoal/engine"
	"shoal/serving"
	"shoal/serving/independence"
	"shoal/tensor"
)

// Mode says which signatures are batched.
type Mode int

// The modes. By default a signature is batched once its rows are known to be independent.
const (
	BatchProven Mode = iota
	BatchAll         // whatever can be, as the operator says
	BatchNone
)

// proof is what is known of the rows of one signature, and so whether its requests share batches. Every request reads it.
type proof struct {
	sig    *tensor.Signature
	nature *engine.Nature
	later  bool // its synthetic rows run once the version is available

	batched atomic.Bool
	watched atomic.Bool // answers are compared while the version serves
	runs    atomic.Int64
	due     atomic.Int64 // the run of a batch after which the next answer is compared

	mu     sync.Mutex
	reason string // it is, or is not, batched
	unsure bool   // neither proven nor refuted
}

// proofs are those of a model's signatures; they do not change once it is loaded.
type proofs map[*tensor.Signature]*proof

func (all proofs) batched(sig *tensor.Signature) bool {
	p := all[sig]
	return p != nil && p.batched.Load()
}

// decide settles the matter: nothing more is tried.
func (p *proof) decide(batched bool, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason, p.unsure = reason, false
	p.batched.Store(batched)
	if !batched {
		p.watched.Store(false)
	}
}

// leaveOpen has the requests run alone until live ones have shown more.
func (p *proof) leaveOpen(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason, p.unsure = reason, true
	p.watched.Store(true)
}

func (p *proof) state() serving.SignatureBatching {
	p.mu.Lock()
	defer p.mu.Unlock()
	return serving.SignatureBatching{Signature: p.sig.Name, Batched: p.batched.Load(), Unproven: p.unsure, Reason: p.reason}
}

// The reasons of signatures that are batched.
const (
	reasonIndependent = "its rows are independent"
	reasonLive        = "its rows are independent, as live requests show"
	reasonOperator    = "the configuration says so"
)

// take makes the verdict of a trial the proof's.
func (p *proof) take(v independence.Verdict) {
	switch v.Kind {
	case independence.Independent:
		p.decide(true, reasonIndependent)
		p.watched.Store(true)
	case independence.Dependent:
		p.decide(false, v.Why)
	default:
		p.leaveOpen(v.Why)
	}
}
