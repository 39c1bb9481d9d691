package manager

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/serving/source"
)

var errTest = status.Error(codes.InvalidArgument, "a test's error")

func TestAFailedLoadIsRetriedThenGivenUp(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.put("/n", 1)
		s.puppet.fails("/m/1", errTest)
		s.config(latest("m", 1), latest("n", 1))
		s.want("n", "1 AVAILABLE")
		for attempt := 1; attempt <= 2; attempt++ {
			if n := s.puppet.attempts("/m/1"); n != attempt {
				t.Fatalf("%d attempts, want %d", n, attempt)
			}
			s.want("m", "1 LOADING")
			s.pass(time.Minute - time.Second)
			if n := s.puppet.attempts("/m/1"); n != attempt {
				t.Fatalf("retried too early")
			}
			s.pass(time.Second)
		}
		s.want("m", "1 END")
		all, _ := s.Status("m", nil)
		servingtest.WantStatus(t, all[0].Err, codes.InvalidArgument, "a test's error")
		s.pass(time.Hour)
		if n := s.puppet.attempts("/m/1"); n != 3 {
			t.Errorf("%d attempts in all, want 3", n)
		}
		s.config(latest("n", 1))
		s.config(latest("m", 1))
		if n := s.puppet.attempts("/m/1"); n != 4 {
			t.Errorf("%d attempts after the model was configured anew, want 4", n)
		}
	})
}

func TestAFailedLoadIsTriedAgainWhenItsFilesChange(t *testing.T) {
	for _, c := range []struct {
		name    string
		retries int
	}{{"while it waits for a retry", 5}, {"after it was given up", 0}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(o *Options) { o.MaxLoadRetries = c.retries; o.LoadRetryInterval = time.Hour }, func(t *testing.T, s *stage) {
				s.source.put("/m", 1)
				s.puppet.fails("/m/1", errTest)
				s.config(latest("m", 1))
				s.pass(10 * time.Second)
				s.puppet.fails("/m/1", nil)
				s.source.set("/m", 1, source.Contents{Fingerprint: 2, HasModel: true, Changed: time.Now()})
				s.pass(2 * time.Second)
				s.want("m", "1 AVAILABLE")
				if n := s.puppet.attempts("/m/1"); n != 2 {
					t.Errorf("%d attempts, want 2", n)
				}
			})
		})
	}
}

func TestChangedFilesHaveAllTheirAttempts(t *testing.T) {
	inBubble(t, func(o *Options) { o.MaxLoadRetries = 1 }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.puppet.fails("/m/1", errTest)
		s.config(latest("m", 1))
		s.pass(10 * time.Second)
		s.source.set("/m", 1, source.Contents{Fingerprint: 2, HasModel: true})
		s.pass(time.Second)
		s.want("m", "1 LOADING")
		s.pass(time.Minute)
		s.want("m", "1 END")
		if n := s.puppet.attempts("/m/1"); n != 3 {
			t.Errorf("%d attempts, want 3", n)
		}
	})
}

// A version that fails right after it was copied must not be taken for one that is still being copied.
func TestAFailureOfYoungFilesIsRetriedAtItsTime(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.set("/m", 1, source.Contents{Fingerprint: 2, HasModel: true, Changed: time.Now().Add(time.Hour)})
		s.puppet.fails("/m/1", errTest)
		s.puppet.took = 2 * time.Second
		s.config(latest("m", 1))
		s.pass(30 * time.Second)
		if n := s.puppet.attempts("/m/1"); n != 1 {
			t.Errorf("%d attempts in the first 30 s, want 1", n)
		}
		s.pass(time.Minute)
		if n := s.puppet.attempts("/m/1"); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
	})
}

func TestAFailedNewVersionLeavesTheOldOne(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.puppet.fails("/m/2", errTest)
		s.source.put("/m", 2)
		s.pass(time.Hour)
		s.want("m", "2 END, 1 AVAILABLE")
		s.wantReason("")
		s.source.put("/m", 3)
		s.pass(time.Second)
		s.want("m", "3 AVAILABLE, 2 END, 1 END")
	})
}

func TestALoadThatIsNotWantedAnyMoreIsCancelled(t *testing.T) {
	for _, slow := range []bool{false, true} {
		inBubble(t, nil, func(t *testing.T, s *stage) {
			s.puppet.slowStop = slow
			letGo := s.puppet.holds("/m/1")
			s.source.put("/m", 1)
			s.config(latest("m", 1))
			s.want("m", "1 LOADING")
			s.config()
			if slow { // the loader goes on, and what it loads must be closed
				s.want("m", "1 LOADING")
				letGo(nil)
				synctest.Wait()
			}
			s.want("m", "1 END")
			all, _ := s.Status("m", nil)
			servingtest.WantStatus(t, all[0].Err, codes.Canceled, "Loading of servable cancelled")
			if open := s.puppet.open(); len(open) > 0 {
				t.Errorf("open: %v", open)
			}
		})
	}
}

func TestWhatWaitsForItsLoadIsCancelledToo(t *testing.T) {
	inBubble(t, func(o *Options) { o.NumLoadThreads = 1 }, func(t *testing.T, s *stage) {
		s.source.put("/failing", 1)
		s.source.put("/m", 1, 2)
		s.puppet.fails("/failing/1", errTest)
		letGo := s.puppet.holds("/m/2")
		s.config(latest("failing", 1)) // before m, whose load holds the only slot
		s.config(latest("failing", 1), latest("m", 2))
		s.want("failing", "1 LOADING")
		s.want("m", "2 LOADING, 1 START")
		s.config(latest("m", 1))
		s.want("failing", "1 END")
		s.want("m", "2 LOADING, 1 END")
		letGo(nil)
		synctest.Wait()
		s.want("m", "2 AVAILABLE, 1 END")
		s.pass(time.Hour)
		if failing, one := s.puppet.attempts("/failing/1"), s.puppet.attempts("/m/1"); failing != 1 || one != 0 {
			t.Errorf("%d and %d attempts, want 1 and 0", failing, one)
		}
	})
}

func TestALoadThatIsWantedAgainBeginsAnew(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.puppet.slowStop = true
		letGo := s.puppet.holds("/m/1")
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.config()
		s.config(latest("m", 1))
		s.want("m", "1 LOADING")
		letGo(nil)
		synctest.Wait()
		s.want("m", "1 LOADING")
		letGo(nil)
		synctest.Wait()
		s.want("m", "1 AVAILABLE")
	})
}

func TestAVersionWantedAgainWhileItUnloads(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		h, err := s.Handle(serving.ModelSpec{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		s.config()
		s.config(latest("m", 1))
		s.want("m", "1 UNLOADING")
		h.Release()
		synctest.Wait()
		s.want("m", "1 AVAILABLE")
		if n := s.puppet.attempts("/m/1"); n != 2 {
			t.Errorf("loaded %d times, want 2", n)
		}
	})
}

func TestLoadsAreBoundedAndNewestFirst(t *testing.T) {
	inBubble(t, func(o *Options) { o.NumLoadThreads = 2 }, func(t *testing.T, s *stage) {
		s.puppet.took = time.Second
		s.source.put("/m", 1, 2, 3, 4, 5)
		s.config(serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}})
		s.pass(500 * time.Millisecond)
		s.want("m", "5 LOADING, 4 LOADING, 3 START, 2 START, 1 START")
		s.pass(time.Second)
		s.want("m", "5 AVAILABLE, 4 AVAILABLE, 3 LOADING, 2 LOADING, 1 START")
		s.pass(2 * time.Second)
		s.want("m", "5 AVAILABLE, 4 AVAILABLE, 3 AVAILABLE, 2 AVAILABLE, 1 AVAILABLE")
		if s.puppet.most != 2 {
			t.Errorf("%d loads at once", s.puppet.most)
		}
	})
}

func TestAModelThatCannotLoadStopsNoOther(t *testing.T) {
	inBubble(t, func(o *Options) { o.NumLoadThreads = 1; o.MaxLoadRetries = 1000 }, func(t *testing.T, s *stage) {
		s.source.put("/bad", 1)
		s.source.put("/good", 1)
		s.puppet.fails("/bad/1", errTest)
		s.config(latest("bad", 1), latest("good", 1))
		s.want("bad", "1 LOADING")
		s.want("good", "1 AVAILABLE")
	})
}

func TestALoaderThatPanicsHasFailed(t *testing.T) {
	change := func(o *Options) {
		o.MaxLoadRetries = 0
		o.Loader = func(serving.ModelConfig, int64, string) serving.Loader {
			return loaderFunc(func(context.Context) (serving.Servable, error) { panic("oh") })
		}
	}
	inBubble(t, change, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		all, err := s.Status("m", nil)
		if err != nil || all[0].State != serving.End {
			t.Fatalf("%+v %v", all, err)
		}
		servingtest.WantStatus(t, all[0].Err, codes.Internal, "the loader panicked: oh")
	})
}

func TestUnloadsAreBounded(t *testing.T) {
	inBubble(t, func(o *Options) { o.NumUnloadThreads = 1 }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2, 3)
		s.config(serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}})
		for _, servable := range s.puppet.opened {
			servable.onClose = func() { time.Sleep(time.Second) }
		}
		s.config()
		s.pass(1500 * time.Millisecond)
		all, _ := s.Status("m", nil)
		ended := 0
		for _, v := range all {
			if v.State == serving.End {
				ended++
			}
		}
		if ended != 1 {
			t.Errorf("%d ended after 1.5 s with one slot and a second each: %s", ended, s.states("m"))
		}
		s.pass(2 * time.Second)
		s.want("m", "3 END, 2 END, 1 END")
	})
}

func TestSlotsServeInOrder(t *testing.T) {
	s := newSlots(1)
	first, second, third := s.draw(), s.draw(), s.draw()
	if err := first.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := second.wait(gone); err == nil {
		t.Error("a ticket whose wait was cancelled holds a slot")
	}
	first.done()
	if err := third.wait(t.Context()); err != nil {
		t.Error(err)
	}
	fourth := s.draw()
	third.done()
	if err := fourth.wait(gone); err == nil { // granted, and given back
		t.Error("a granted ticket ignored that its wait was cancelled")
	}
	fifth := s.draw()
	if err := fifth.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if !slices.Equal(s.waiting, []*ticket{}) && s.waiting != nil {
		t.Errorf("still waiting: %v", s.waiting)
	}
}
