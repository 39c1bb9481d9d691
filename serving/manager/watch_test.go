package manager

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shoal/serving"
)

// A base path that does not answer holds up its own model alone, which goes on serving what it has; the log says so once.
func TestAHungBasePathHoldsUpNobodyElse(t *testing.T) {
	var log bytes.Buffer // written with the manager's lock held
	inBubble(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }, func(t *testing.T, s *stage) {
		for _, base := range []string{"/a", "/b", "/new"} {
			s.source.put(base, 1)
		}
		s.config(latest("a", 1), latest("b", 1))
		answerA, answerNew := s.source.hang("/a"), s.source.hang("/new")
		s.config(latest("a", 1), latest("b", 1), latest("new", 1))
		s.wantReason("model new: its versions are being looked for")
		s.source.put("/b", 2)
		s.pass(2 * time.Second)
		s.want("b", "2 AVAILABLE, 1 END")
		s.pass(time.Minute)
		s.wantReason("model new: base path /new does not answer: it is being read for 10s already")
		s.want("a", "1 AVAILABLE")
		if n := strings.Count(log.String(), "does not answer"); n != 2 {
			t.Errorf("said %d times, want once a model:\n%s", n, log.String())
		}
		if err := s.WaitSettled(t.Context()); err != nil {
			t.Errorf("a model that hangs is waited for: %v", err)
		}
		s.source.put("/a", 2)
		answerA()
		answerNew()
		s.pass(2 * time.Second)
		s.want("a", "2 AVAILABLE, 1 END")
		s.want("new", "1 AVAILABLE")
		s.wantReason("")
		if !strings.Contains(log.String(), `msg="base path is there" model=new`) {
			t.Errorf("nothing says that it answers again:\n%s", log.String())
		}
	})
}

// A model that is moved away from a hung base path is looked for under the other one at once.
func TestAModelMovesAwayFromAHungBasePath(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.put("/other", 3)
		answer := s.source.hang("/m")
		s.config(latest("m", 1))
		moved := latest("m", 1)
		moved.BasePath = "/other"
		s.config(moved)
		s.want("m", "3 AVAILABLE")
		answer()
		s.pass(time.Minute)
		s.want("m", "3 AVAILABLE")
	})
}

// Looks are bounded; those that hang lose their places, and the end of the manager does not wait for them.
func TestHungLooksLoseTheirPlaces(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		var answers []func()
		var models []serving.ModelConfig
		for i := range 2 * looksAtOnce {
			name := fmt.Sprintf("hung%02d", i)
			answers = append(answers, s.source.hang("/"+name))
			models = append(models, latest(name, 1))
		}
		s.source.put("/last", 1)
		s.config(append(models, latest("last", 1))...)
		s.source.mu.Lock()
		most := s.source.most
		s.source.mu.Unlock()
		if most != looksAtOnce {
			t.Errorf("%d looks at once, want %d", most, looksAtOnce)
		}
		s.pass(2*hungAfter + time.Second)
		s.want("last", "1 AVAILABLE")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, answer := range answers {
			answer()
		}
		synctest.Wait()
	})
}
