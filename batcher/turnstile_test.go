package batcher

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
)

// Those whose file became readable before the turn was asked for have theirs first, though nobody had polled for them.
func TestTurnstile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the turnstile is runtime.Gosched")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const readers, rounds = 20, 20
	var had atomic.Int32
	var waiting, done = make(chan struct{}, readers), make(chan struct{}, readers)
	var ends []*os.File
	for range readers {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		ends = append(ends, w)
		go func() {
			defer func() { done <- struct{}{} }()
			waiting <- struct{}{}
			for b := make([]byte, 1); ; {
				if _, err := r.Read(b); err != nil {
					return
				}
				had.Add(1)
			}
		}()
	}
	for range readers {
		<-waiting
	}
	turnstile := newTurnstile()
	defer turnstile.close()
	turnstile.pass() // now all of them wait in the poller
	first := 0
	for range rounds {
		for _, w := range ends {
			if _, err := w.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		turnstile.pass()
		first += int(had.Load())
		for had.Load() < readers {
			runtime.Gosched()
			turnstile.pass()
		}
		had.Store(0)
	}
	// Now and then the runtime's own watchdog polls at the same time and changes the order. Gosched would let none go first.
	if first < rounds*readers/10 {
		t.Errorf("%d of %d had their turn first", first, rounds*readers)
	}
	for _, w := range ends {
		_ = w.Close()
	}
	for range readers {
		<-done
	}
}
