package tensor

import (
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// quantum is the least that a request holds, for its goroutine, its buffers and small tensors, and the step in which it takes
// more. So a small request takes memory from the budget once and returns it once.
const quantum = 32 << 10

// The fair share: requests that hold more than 1/64 of the budget may not use its last quarter.
const (
	largeShare   = 64
	reserveShare = 4
)

// Budget bounds the memory that all requests hold together: bodies and messages as they arrive, decoded inputs until they have run,
// answers until their readers have received them. A nil Budget has no bound and counts nothing. It is safe for concurrent use.
type Budget struct {
	limit   atomic.Int64
	used    atomic.Int64
	refused atomic.Int64
}

// NewBudget allows requests to hold limit bytes; below 1 means no limit.
func NewBudget(limit int64) *Budget {
	if limit < 1 {
		return nil
	}
	b := new(Budget)
	b.SetLimit(limit)
	return b
}

// SetLimit changes the limit, which is at least 1 byte. It does not affect memory that is held already.
func (b *Budget) SetLimit(limit int64) { b.limit.Store(max(limit, 1)) }

// Limit returns how many bytes requests may hold.
func (b *Budget) Limit() int64 { return b.limit.Load() }

// Used returns how many bytes requests hold now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Refused returns how often memory was refused.
func (b *Budget) Refused() int64 { return b.refused.Load() }

// Fits returns nil if a request of n bytes would find room now, or the error that it would get.
func (b *Budget) Fits(n int64) error {
	if b == nil {
		return nil
	}
	if used, most := b.used.Load(), b.most(n); n > most-used {
		return b.refuse(n, used, most)
	}
	return nil
}

// most returns how much all requests together may hold if a request that would then hold total bytes is to get more.
func (b *Budget) most(total int64) int64 {
	limit := b.limit.Load()
	if total > limit/largeShare {
		return limit - limit/reserveShare
	}
	return limit
}

// take takes more bytes for a request that then holds total.
func (b *Budget) take(more, total int64) error {
	most := b.most(total)
	for {
		used := b.used.Load()
		if more > most-used {
			return b.refuse(total, used, most)
		}
		if b.used.CompareAndSwap(used, used+more) {
			return nil
		}
	}
}

func (b *Budget) refuse(total, used, most int64) error {
	b.refused.Add(1)
	return &OverBudgetError{Needs: total, Used: used, Limit: b.limit.Load(), Never: total > most}
}

// OverBudgetError is returned if there is no memory for a request (RESOURCE_EXHAUSTED).
type OverBudgetError struct {
	Needs int64 // what the request would hold
	Used  int64 // by all requests
	Limit int64
	Never bool // it does not fit even if it is the only request
}

func (e *OverBudgetError) Error() string {
	if e.Never {
		return fmt.Sprintf("The request needs %d bytes of memory or more, and one request may hold three quarters of --max_inflight_bytes=%d", e.Needs, e.Limit)
	}
	return fmt.Sprintf("No memory for the request, which needs %d bytes: all requests hold %d of --max_inflight_bytes=%d, and the last quarter is kept for small ones",
		e.Needs, e.Used, e.Limit)
}

// GRPCStatus is the error as gRPC sends it.
func (e *OverBudgetError) GRPCStatus() *status.Status {
	return status.New(codes.ResourceExhausted, e.Error())
}

// Lease is the part of a budget that one request holds. The zero Lease belongs to no budget and counts nothing. One goroutine at
// a time may use it.
type Lease struct {
	budget *Budget
	used   int64 // by the request
	held   int64 // of the budget: used, rounded up, and what is reserved
}

// Open makes the lease a part of b. The lease must hold nothing.
func (l *Lease) Open(b *Budget) { l.budget = b }

// Reserve makes sure that n more bytes can be used, or returns an *OverBudgetError.
func (l *Lease) Reserve(n int64) error {
	want := l.used + n
	if l.budget == nil || want <= l.held && l.held > 0 {
		return nil
	}
	want = wholeQuanta(want)
	if err := l.budget.take(want-l.held, want); err != nil {
		return err
	}
	l.held = want
	return nil
}

// Use reserves n bytes and uses them.
func (l *Lease) Use(n int64) error {
	if err := l.Reserve(n); err != nil {
		return err
	}
	l.used += n
	return nil
}

// Count uses n bytes that exist already and so cannot be refused.
func (l *Lease) Count(n int64) {
	l.used += n
	if want := wholeQuanta(l.used); l.budget != nil && want > l.held {
		l.budget.used.Add(want - l.held)
		l.held = want
	}
}

// Return undoes Use or Count of n bytes.
func (l *Lease) Return(n int64) {
	l.used -= n
	l.Settle()
}

// Settle returns memory that was reserved and is not used.
func (l *Lease) Settle() {
	if want := wholeQuanta(l.used); l.budget != nil && want < l.held {
		l.budget.used.Add(want - l.held)
		l.held = want
	}
}

// InUse returns what the request uses.
func (l *Lease) InUse() int64 { return l.used }

// Free returns everything to the budget.
func (l *Lease) Free() {
	if l.held > 0 {
		l.budget.used.Add(-l.held)
	}
	l.used, l.held = 0, 0
}

// wholeQuanta rounds up to whole quanta, to one at least.
func wholeQuanta(n int64) int64 { return max(n+quantum-1, quantum) &^ (quantum - 1) }
