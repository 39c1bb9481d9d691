package web

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// running runs a page in a bubble of fake time; the bubble ends when its goroutine has.
func running(t *testing.T, core serving.Core, o Options, test func(*Page)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPage(core, o)
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Run(t.Context())
		}()
		synctest.Wait()
		test(p)
		p.Close()
		<-done
	})
}

// drain reads what a stream has for now.
func drain(t *testing.T, w *watcher) (events map[string][]string) {
	t.Helper()
	var all strings.Builder
	buf := make([]byte, 64) // small, so that messages come in pieces
	for len(w.rest) > 0 || len(w.messages) > 0 {
		n, err := w.Read(buf)
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		all.Write(buf[:n])
	}
	events = make(map[string][]string)
	for block := range strings.SplitSeq(strings.TrimSpace(all.String()), "\n\n") {
		kind, data, found := strings.Cut(block, "\ndata: ")
		if found {
			kind = strings.TrimPrefix(kind, "event: ")
			events[kind] = append(events[kind], data)
		}
	}
	return events
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestStream(t *testing.T) {
	core := newFakeCore()
	core.put("m", serving.VersionStatus{Version: 1, State: serving.Start})
	running(t, core, Options{Version: "1.2.3", Settings: []Setting{{Name: "port", Value: "8500"}}}, func(p *Page) {
		time.Sleep(3*interval + interval/2)
		w := p.hub.watch()
		first := drain(t, w)
		if hello := decode[map[string]any](t, first["hello"][0]); hello["version"] != "1.2.3" || len(hello["settings"].([]any)) != 1 {
			t.Errorf("hello: %v", hello)
		}
		if ticks := decode[[]tick](t, first["history"][0]); len(ticks) != 3 || ticks[2].At-ticks[0].At != 2000 {
			t.Errorf("a newcomer is told of %d seconds, want 3: %s", len(ticks), first["history"][0])
		}
		if len(first["state"]) != 1 || len(first["slow"]) != 0 {
			t.Errorf("a newcomer is told %v", first)
		}

		core.mu.Lock()
		core.models[0].Versions[0] = serving.VersionStatus{Version: 1, State: serving.End, Err: status.Error(codes.NotFound, "no saved_model.pb")}
		core.reasons = []string{"model m: no version"}
		core.mu.Unlock()
		p.Done(predict("m", 1, time.Second, nil))
		time.Sleep(2 * interval)
		next := drain(t, w)
		if len(next["tick"]) != 2 || len(next["slow"]) != 1 || len(next["history"]) != 0 {
			t.Errorf("two seconds brought %v", next)
		}
		if len(next["state"]) != 1 {
			t.Fatalf("the state was sent %d times, want once: when it changed", len(next["state"]))
		}
		s := decode[state](t, next["state"][0])
		if v := s.Models[0].Versions[0]; s.Ready || len(s.Reasons) != 1 || !v.Failed || v.Reason != "no saved_model.pb" || v.State != "END" {
			t.Errorf("state: %+v", s)
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	running(t, newFakeCore(), Options{}, func(p *Page) {
		time.Sleep((keepTicks+100)*interval + interval/2)
		p.hub.mu.Lock()
		defer p.hub.mu.Unlock()
		if n := len(p.hub.ticks); n != keepTicks {
			t.Errorf("%d readings are kept, want %d", n, keepTicks)
		}
	})
	h := newHub()
	big := tick{Models: map[string]modelFigures{strings.Repeat("m", keepBytes/10): {}}}
	for range 20 {
		h.tick(big)
	}
	if h.tickBytes > keepBytes || len(h.ticks) != 9 {
		t.Errorf("%d readings of %d bytes are kept", len(h.ticks), h.tickBytes)
	}
}

func TestStreamsEnd(t *testing.T) {
	ended := func(t *testing.T, w *watcher) {
		t.Helper()
		if _, err := io.Copy(io.Discard, w); err != nil {
			t.Errorf("the stream ended with %v", err)
		}
	}
	t.Run("with the page", func(t *testing.T) {
		running(t, newFakeCore(), Options{}, func(p *Page) {
			w := p.hub.watch()
			p.Close()
			ended(t, w)
			if p.hub.watch() != nil {
				t.Error("a closed page takes watchers")
			}
		})
	})
	t.Run("when it is slow", func(t *testing.T) {
		running(t, newFakeCore(), Options{}, func(p *Page) {
			w := p.hub.watch()
			time.Sleep((watcherQueue+2)*interval + interval/2)
			ended(t, w)
		})
	})
	t.Run("after a while", func(t *testing.T) {
		running(t, newFakeCore(), Options{}, func(p *Page) {
			w, start := p.hub.watch(), time.Now()
			ended(t, w)
			if took := time.Since(start); took < streamTime || took > streamTime+2*interval {
				t.Errorf("it lasted %v, want %v", took, streamTime)
			}
			_ = w.Close()
			if len(p.hub.watchers) != 0 {
				t.Error("it is still known")
			}
		})
	})
	t.Run("with the client", func(t *testing.T) {
		running(t, newFakeCore(), Options{}, func(p *Page) {
			w := p.hub.watch()
			_ = w.Close()
			_ = w.Close()
			time.Sleep(interval + interval/2)
			if len(p.hub.watchers) != 0 {
				t.Error("it is still known")
			}
		})
	})
}

func TestWatchersAreBounded(t *testing.T) {
	p := newPage(newFakeCore(), Options{})
	for range maxWatchers {
		if p.hub.watch() == nil {
			t.Fatal("too few may watch")
		}
	}
	if p.hub.watch() != nil {
		t.Errorf("more than %d may watch", maxWatchers)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	newPage(newFakeCore(), Options{}).Run(ctx)
}

// TestBeforeWatch checks that a page may be asked before the server has its models.
func TestBeforeWatch(t *testing.T) {
	p := New(Options{})
	p.takeReading(p.read.Add(interval))
	if s := p.state(p.models()); s.Ready || len(s.Reasons) != 1 || len(s.Models) != 0 {
		t.Errorf("state: %+v", s)
	}
	if _, err := p.handle(serving.ModelSpec{Model: "m"}); status.Code(err) != codes.Unavailable {
		t.Errorf("error: %v", err)
	}
}
