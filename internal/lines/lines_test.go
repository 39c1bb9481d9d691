package lines

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shoal/internal/testlog"
)

func notice(n int) []byte { return fmt.Appendf(nil, "%d were dropped\n", n) }

// pipe writes to a log while it is open.
type pipe struct {
	testlog.Log
	mu     sync.Mutex
	closed bool
}

func (p *pipe) set(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = closed
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, errors.New("broken pipe")
	}
	return p.Log.Write(b)
}

// stuck is a pipe that nobody reads until it is let go.
type stuck struct {
	pipe
	release chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.release
	return s.pipe.Write(b)
}

func TestOrderIsKept(t *testing.T) {
	out := new(pipe)
	w := New(out, 0, notice)
	want := ""
	for i := range 10_000 {
		line := fmt.Sprintln("line", i)
		want += line
		_, _ = w.Write([]byte(line))
	}
	w.Close(time.Minute)
	if out.String() != want || w.Dropped() != 0 {
		t.Errorf("%d bytes of %d, %d dropped", len(out.String()), len(want), w.Dropped())
	}
	_, _ = w.Write([]byte("late\n"))
	if w.Dropped() != 1 {
		t.Error("a line after Close is not counted")
	}
}

// While nobody reads, lines wait as far as there is room; then they are dropped, counted, and told of once it flows again.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{release: make(chan struct{})}
		w := New(out, 100, notice)
		_, _ = w.Write([]byte("first\n"))
		synctest.Wait() // it is being written
		for i := range 20 {
			_, _ = fmt.Fprintf(w, "line %04d\n", i)
		}
		if w.Dropped() != 10 {
			t.Errorf("%d dropped", w.Dropped())
		}
		start := time.Now()
		if w.Flush(time.Second) || time.Since(start) != time.Second {
			t.Errorf("flushed after %v", time.Since(start))
		}
		close(out.release)
		if !w.Flush(time.Second) {
			t.Error("not flushed")
		}
		_, _ = w.Write([]byte("last\n"))
		w.Close(time.Second)
		text := out.String()
		if !strings.HasPrefix(text, "first\nline 0000\n") || !strings.HasSuffix(text, "line 0009\n10 were dropped\nlast\n") {
			t.Errorf("%s", text)
		}
	})
}

// A closed pipe loses what is written meanwhile, and no more.
func TestClosedPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := new(pipe)
		w := New(out, 0, notice)
		out.set(true)
		_, _ = w.Write([]byte("lost\n"))
		synctest.Wait()
		out.set(false)
		_, _ = w.Write([]byte("kept\n"))
		w.Close(time.Second)
		if out.String() != "kept\n1 were dropped\n" || w.Dropped() != 1 {
			t.Errorf("%q, %d dropped", out.String(), w.Dropped())
		}
	})
}
