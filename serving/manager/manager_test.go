package manager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/serving/source"
)

func TestServesTheLatestAndMovesOn(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		s.config(latest("m", 1))
		s.want("m", "2 AVAILABLE")
		s.wantReason("")

		h, err := s.Handle(serving.ModelSpec{Model: "m"})
		if err != nil || h.Version != 2 || h.Model != "m" {
			t.Fatalf("Handle: %+v %v", h, err)
		}
		letGo := s.puppet.holds("/m/3")
		s.source.put("/m", 3)
		s.pass(time.Second)
		s.want("m", "3 LOADING, 2 AVAILABLE")

		letGo(nil)
		synctest.Wait()
		s.want("m", "3 AVAILABLE, 2 UNLOADING")
		if open := s.puppet.open(); !slices.Equal(open, []string{"/m/2", "/m/3"}) {
			t.Errorf("open while version 2 is in use: %v", open)
		}
		if h2, err := s.Handle(serving.ModelSpec{Model: "m", Version: number(2)}); err == nil {
			h2.Release()
			t.Error("a version that is unloading was given to a new request")
		}

		h.Release()
		h.Release()
		synctest.Wait()
		s.want("m", "3 AVAILABLE, 2 END")
		if open := s.puppet.open(); !slices.Equal(open, []string{"/m/3"}) {
			t.Errorf("open: %v", open)
		}
	})
}

func TestResolvesAsTensorFlowServingDoes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 3)
		c := serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}}
		s.config(c)
		c.Labels = map[string]int64{"stable": 1, "canary": 3}
		s.config(c)
		for _, c := range []struct {
			spec    serving.ModelSpec
			version int64
			code    codes.Code
			text    string
		}{
			{serving.ModelSpec{Model: "m"}, 3, codes.OK, ""},
			{serving.ModelSpec{Model: "m", Version: number(1)}, 1, codes.OK, ""},
			{serving.ModelSpec{Model: "m", Label: "stable"}, 1, codes.OK, ""},
			{serving.ModelSpec{Model: "m", Label: "canary"}, 3, codes.OK, ""},
			{serving.ModelSpec{Model: "x"}, 0, codes.NotFound, "Servable not found for request: Latest(x)"},
			{serving.ModelSpec{Model: "m", Version: number(2)}, 0, codes.NotFound, "Servable not found for request: Specific(m, 2)"},
			{serving.ModelSpec{Model: "x", Version: number(2)}, 0, codes.NotFound, "Servable not found for request: Specific(x, 2)"},
			{serving.ModelSpec{Model: "m", Label: "l"}, 0, codes.InvalidArgument, "Unrecognized servable version label: l"},
			{serving.ModelSpec{Model: "x", Label: "l"}, 0, codes.InvalidArgument, "Unrecognized servable version label: l"},
		} {
			h, err := s.Handle(c.spec)
			if c.code != codes.OK {
				servingtest.WantStatus(t, err, c.code, c.text)
				continue
			}
			if err != nil || h.Version != c.version {
				t.Errorf("%+v: %+v %v", c.spec, h, err)
				continue
			}
			h.Release()
		}
		_, err := s.Status("x", nil)
		servingtest.WantStatus(t, err, codes.NotFound, "Could not find any versions of model x")
		_, err = s.Status("m", number(2))
		servingtest.WantStatus(t, err, codes.NotFound, "Could not find version 2 of model m")
		one, err := s.Status("m", number(3))
		if err != nil || len(one) != 1 || one[0].Version != 3 || !slices.Equal(one[0].Labels, []string{"canary"}) {
			t.Errorf("status of version 3: %+v %v", one, err)
		}
	})
}

func TestModelsComeAndGo(t *testing.T) {
	inBubble(t, func(o *Options) { o.AllowLabelsForUnavailable = true }, func(t *testing.T, s *stage) {
		s.source.put("/a", 1)
		s.source.put("/b", 1)
		s.config(latest("a", 1), latest("b", 1))
		s.want("a", "1 AVAILABLE")
		b := latest("b", 1)
		b.Labels = map[string]int64{"x": 9}
		s.config(b)
		s.want("a", "1 END")
		s.want("b", "1 AVAILABLE")
		s.wantReason("")
		if all := s.Models(); len(all) != 2 || all[0].Configured || !all[1].Configured || all[1].BasePath != "/b" || all[1].Labels["x"] != 9 {
			t.Errorf("Models: %+v", all)
		}
		s.config(latest("a", 1), latest("b", 1))
		s.want("a", "1 AVAILABLE")
		s.config()
		s.want("a", "1 END")
		s.want("b", "1 END")
	})
}

func TestPoliciesChangeAtOnce(t *testing.T) {
	inBubble(t, func(o *Options) { o.PollWait = time.Hour }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2, 3)
		s.config(latest("m", 1))
		s.want("m", "3 AVAILABLE")
		s.config(latest("m", 2))
		s.want("m", "3 AVAILABLE, 2 AVAILABLE")
		c := latest("m", 0)
		c.Policy = serving.VersionPolicy{Specific: []int64{1}}
		s.config(c)
		s.want("m", "3 END, 2 END, 1 AVAILABLE")
		c.Policy = serving.VersionPolicy{All: true}
		s.config(c)
		s.want("m", "3 AVAILABLE, 2 AVAILABLE, 1 AVAILABLE")
		s.source.drop("/m", 2, 3)
		s.pass(time.Hour)
		s.want("m", "3 END, 2 END, 1 AVAILABLE")
	})
}

func TestABasePathMovesWithoutAGap(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		s.source.put("/new", 1, 2)
		c := serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}}
		s.config(c)
		letGo1, letGo2 := s.puppet.holds("/new/1"), s.puppet.holds("/new/2")
		c.BasePath = "/new"
		s.config(c)
		letGo2(nil)
		synctest.Wait()
		s.want("m", "2 AVAILABLE, 1 AVAILABLE")
		if open := s.puppet.open(); !slices.Equal(open, []string{"/m/1", "/new/2"}) {
			t.Errorf("open: %v", open)
		}
		letGo1(nil)
		synctest.Wait()
		if open := s.puppet.open(); !slices.Equal(open, []string{"/new/1", "/new/2"}) {
			t.Errorf("open: %v", open)
		}
		s.want("m", "2 AVAILABLE, 1 AVAILABLE")
	})
}

func TestLooksAreExact(t *testing.T) {
	inBubble(t, func(o *Options) { o.PollWait = 7 * time.Second }, func(t *testing.T, s *stage) {
		start := time.Now()
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.source.mu.Lock()
		s.source.slow = func() { time.Sleep(3 * time.Second) } // which delays none of them
		s.source.mu.Unlock()
		s.pass(22 * time.Second)
		var at []time.Duration
		for _, l := range s.source.looks {
			at = append(at, l.Sub(start))
		}
		if at = slices.Compact(at); !slices.Equal(at, []time.Duration{0, 7 * time.Second, 14 * time.Second, 21 * time.Second}) {
			t.Errorf("looks at %v", at)
		}
	})
}

func TestALookOfAnOldConfigurationIsForgotten(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		c := latest("m", 1)
		s.source.put("/m", 1, 2)
		var once sync.Once
		s.source.slow = func() {
			once.Do(func() {
				c.Policy = serving.VersionPolicy{Specific: []int64{1}}
				if err := s.SetConfig(t.Context(), []serving.ModelConfig{c}); err != nil {
					t.Error(err)
				}
			})
		}
		s.config(c)
		s.pass(time.Second)
		s.want("m", "1 AVAILABLE")
	})
}

func TestAVersionGivenUpByAllIsNotPinnedAgain(t *testing.T) {
	l := newLive(&puppetServable{}, 1, func() {})
	if !l.pin() {
		t.Fatal("a live version was not pinned")
	}
	l.unpin()
	select {
	case <-l.idle:
		t.Error("idle while the manager holds it")
	default:
	}
	l.unpin()
	<-l.idle
	if l.pin() {
		t.Error("pinned after its end")
	}
}

func TestLooksOnceAConfiguration(t *testing.T) {
	inBubble(t, func(o *Options) { o.PollWait = 0 }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.source.put("/m", 2)
		s.pass(time.Hour)
		s.want("m", "1 AVAILABLE")
		s.config(latest("m", 1))
		s.want("m", "2 AVAILABLE, 1 END")
	})
}

func TestLooksOnceButUntilACopyIsComplete(t *testing.T) {
	inBubble(t, func(o *Options) { o.PollWait = 0 }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.set("/m", 1, source.Contents{Fingerprint: 1, HasModel: true, Changed: time.Now()})
		s.config(latest("m", 1))
		s.want("m", errNoVersions("m").Error())
		s.wantReason("model m: version 1 is still being copied: its files changed just now")
		s.pass(settleTime)
		s.want("m", "1 AVAILABLE")
	})
}

func TestNeverLooks(t *testing.T) {
	inBubble(t, func(o *Options) { o.PollWait = -1 }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		if err := s.WaitSettled(t.Context()); err != nil {
			t.Error(err)
		}
		s.wantReason("model m: versions are never looked for: --file_system_poll_wait_seconds is negative")
	})
}

func TestReadySaysWhyNot(t *testing.T) {
	inBubble(t, func(o *Options) { o.NumLoadThreads = 1; o.MaxLoadRetries = 1 }, func(t *testing.T, s *stage) {
		s.wantReason("no configuration yet")
		s.config(latest("m", 1))
		s.wantReason("model m: base path /m does not exist")
		s.source.put("/m")
		s.pass(time.Second)
		s.wantReason("model m: no version under /m: a version is a directory named by a number, such as /m/1")
		s.source.set("/m", 1, source.Contents{Fingerprint: 1, Missing: "saved_model.pb"})
		s.pass(time.Second)
		s.wantReason("model m: version 1 cannot be loaded: saved_model.pb is missing")
		letGo := s.puppet.holds("/m/1")
		s.source.put("/m", 1)
		s.pass(time.Second)
		s.wantReason("model m: version 1 is loading")
		s.source.put("/n", 1)
		s.config(latest("m", 1), latest("n", 1))
		s.wantReason("model n: version 1 waits to be loaded")
		letGo(status.Error(codes.InvalidArgument, "not a model"))
		synctest.Wait()
		s.wantReason("model m: version 1 failed to load and will be tried again: INVALID_ARGUMENT: not a model")
		s.pass(time.Minute)
		letGo(status.Error(codes.InvalidArgument, "still no model"))
		synctest.Wait()
		s.wantReason("model m: version 1 failed to load: INVALID_ARGUMENT: still no model")
		s.config(latest("n", 1))
		s.wantReason("")
		s.Drain()
		s.wantReason("draining: the server is shutting down")
		if h, err := s.Handle(serving.ModelSpec{Model: "n"}); err != nil {
			t.Errorf("a draining server refused a request: %v", err)
		} else {
			h.Release()
		}
	})
}

func TestABasePathThatGoesLeavesWhatIsServed(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.source.breaks("/m", errors.New("the disk is away"))
		s.pass(time.Minute)
		s.want("m", "1 AVAILABLE")
		s.wantReason("")
		s.source.breaks("/m", nil)
		s.source.put("/m", 2)
		s.pass(time.Second)
		s.want("m", "2 AVAILABLE, 1 END")
	})
}

func TestCloseWaitsForHandles(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.put("/n", 1)
		s.puppet.holds("/n/1")
		s.config(latest("m", 1), latest("n", 1))
		h, err := s.Handle(serving.ModelSpec{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		servingtest.WantStatus(t, s.Close(ctx), codes.DeadlineExceeded, "not unloaded in time: Specific(m, 1)")
		if _, err := h.Run(ctx, batcher.Entry{}); err != nil {
			t.Errorf("run on a handle after Close: %v", err)
		}
		_, err = s.Handle(serving.ModelSpec{Model: "m"})
		servingtest.WantStatus(t, err, codes.Unavailable, "the server is shutting down")
		servingtest.WantStatus(t, s.SetConfig(t.Context(), nil), codes.Unavailable, "the server is shutting down")
		s.want("m", "1 UNLOADING")
		s.want("n", "1 END")
		h.Release()
	})
}

// What nobody waits for does not make Close fail: nothing is lost when the process ends.
func TestCloseGivesUpOnUnloadsThatHang(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		h, err := s.Handle(serving.ModelSpec{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		hangs := make(chan struct{})
		h.Servable.(*puppetServable).onClose = func() { <-hangs }
		h.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Close(ctx); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(hangs)
	})
}

func TestHooksHearEverything(t *testing.T) {
	var steps []string
	loads, configs := 0, 0
	change := func(o *Options) {
		o.Hooks = serving.Hooks{
			StateChanged: func(_ string, _ int64, from, to serving.State, _ error) {
				steps = append(steps, from.String()+">"+to.String())
			},
			LoadFinished:  func(_ string, _ int64, _ int, took time.Duration, _ error) { loads += int(took / time.Second) },
			ConfigApplied: func(n int) { configs += n },
		}
	}
	inBubble(t, change, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.puppet.took = 5 * time.Second
		s.config(latest("m", 1))
		s.pass(5 * time.Second)
		s.config()
	})
	want := []string{"UNKNOWN>START", "START>LOADING", "LOADING>AVAILABLE", "AVAILABLE>UNLOADING", "UNLOADING>END"}
	if !slices.Equal(steps, want) || loads != 5 || configs != 1 {
		t.Errorf("steps %v, %d s of loads, %d models configured", steps, loads, configs)
	}
}
