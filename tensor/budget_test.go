package tensor

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestLease(t *testing.T) {
	b := NewBudget(64 * quantum)
	want := func(held int64) {
		t.Helper()
		if got := b.Used(); got != held*quantum {
			t.Fatalf("%d bytes are held, want %d quanta", got, held)
		}
	}
	var l Lease
	l.Open(b)
	for range 10 { // a small request takes one quantum for all it does
		if err := l.Use(100); err != nil {
			t.Fatal(err)
		}
		want(1)
	}
	l.Return(1000)
	want(1)
	if err := l.Reserve(3 * quantum); err != nil {
		t.Fatal(err)
	}
	want(3)
	l.Count(4*quantum + 1)
	want(5)
	l.Return(4 * quantum)
	want(1)
	l.Free()
	want(0)
	l.Free()
	want(0)

	var none Lease
	if err := none.Use(1 << 60); err != nil {
		t.Error(err)
	}
	none.Count(1)
	none.Free()
	var unlimited *Budget
	if NewBudget(0) != unlimited || unlimited.Fits(1<<60) != nil {
		t.Error("no limit refuses something")
	}
}

// What is large cannot take the last quarter, and what can never fit says so.
func TestFairShare(t *testing.T) {
	b := NewBudget(largeShare * quantum)
	var large, larger, small Lease
	for _, l := range []*Lease{&large, &larger, &small} {
		l.Open(b)
	}
	err := large.Use(49 * quantum)
	if over, ok := errors.AsType[*OverBudgetError](err); !ok || !over.Never || status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "--max_inflight_bytes=2097152") {
		t.Errorf("more than three quarters: %v", err)
	}
	if err := large.Use(48 * quantum); err != nil {
		t.Error(err)
	}
	err = larger.Use(2 * quantum)
	if over, ok := errors.AsType[*OverBudgetError](err); !ok || over.Never || !strings.Contains(err.Error(), "all requests hold 1572864") {
		t.Errorf("the last quarter: %v", err)
	}
	if err := b.Fits(2 * quantum); err == nil {
		t.Error("what would be refused fits")
	}
	if err := b.Fits(quantum); err != nil {
		t.Error(err)
	}
	for range 16 {
		var l Lease
		l.Open(b)
		if err := l.Use(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := small.Use(1); err == nil || b.Used() != b.Limit() || b.Refused() != 4 {
		t.Errorf("%v; %d of %d, %d refused", err, b.Used(), b.Limit(), b.Refused())
	}
	large.Free()
	if err := small.Use(1); err != nil {
		t.Error(err)
	}
}

func TestBudgetOfMany(t *testing.T) {
	b := NewBudget(100 * quantum)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 1000 {
				var l Lease
				l.Open(b)
				_ = l.Use(3 * quantum)
				if b.Used() > b.Limit() {
					t.Error("more than the limit is held")
				}
				l.Free()
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d bytes are held by nobody", b.Used())
	}
}

// An arena's memory counts until its last owner lets go, and what does not fit is an error of what fills it.
func TestArenaWithin(t *testing.T) {
	b := NewBudget(4 << 20)
	a := NewArena()
	a.Within(b)
	fill := func(n int) error { return Guard(func() error { a.Bytes(n); return nil }) }
	if err := fill(100); err != nil || b.Used() != 0 {
		t.Errorf("%v, %d", err, b.Used())
	}
	if err := fill(1 << 20); err != nil || b.Used() != 1<<20 {
		t.Errorf("%v, %d", err, b.Used())
	}
	if err := fill(4 << 20); status.Code(err) != codes.ResourceExhausted || b.Used() != 1<<20 {
		t.Errorf("%v, %d", err, b.Used())
	}
	a.Retain()
	a.Free()
	if b.Used() != 1<<20 {
		t.Error("it counts no longer though somebody may read it")
	}
	a.Free()
	if b.Used() != 0 {
		t.Errorf("%d bytes are held by nobody", b.Used())
	}
	if err := Guard(func() error { return errors.ErrUnsupported }); err != errors.ErrUnsupported {
		t.Error(err)
	}
}

// A buffer follows what arrives.
func TestBuffer(t *testing.T) {
	b := NewBudget(64 << 20)
	var l Lease
	l.Open(b)
	buf := Buffer{Lease: &l, Most: 1 << 20}
	arrived := 0
	for {
		room, err := buf.Room()
		if err != nil {
			t.Fatal(err)
		}
		if len(room) == 0 {
			break
		}
		n := min(len(room), 10_000)
		for i := range room[:n] {
			room[i] = byte(arrived + i)
		}
		buf.Wrote(n)
		arrived += n
		if b.Used() > int64(max(minBuffer, 2*arrived)) {
			t.Fatalf("%d bytes are held for %d", b.Used(), arrived)
		}
	}
	if arrived != 1<<20 || len(buf.Bytes()) != arrived {
		t.Errorf("%d bytes", arrived)
	}
	for i, c := range buf.Bytes() {
		if c != byte(i) {
			t.Fatalf("byte %d is %d", i, c)
		}
	}
	l.Free()
	buf = Buffer{Lease: &l}
	b.SetLimit(1)
	if _, err := buf.Room(); err == nil {
		t.Error("there is room in a budget of one byte")
	}
	buf.Free()
}
