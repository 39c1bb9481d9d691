package manager

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/servingtest"
)

// A version is fetched while it is LOADING. The loader gets the fetched directory, which stays until the last request of the
// version has been answered and its servable is closed.
func TestAVersionIsFetchedBeforeItsLoad(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.cache = "/cache"
		s.source.put("/m", 1)
		letGo := s.source.holdsFetch("/m/1")
		s.config(latest("m", 1))
		s.pass(10 * time.Minute)
		s.want("m", "1 LOADING")
		if n := len(s.puppet.loads); n != 0 {
			t.Fatalf("loaded %d times before it was fetched", n)
		}
		letGo(nil)
		synctest.Wait()
		s.want("m", "1 AVAILABLE")
		if open := s.puppet.open(); !slices.Equal(open, []string{"/cache/m/1"}) {
			t.Errorf("loaded from %v", open)
		}

		h, err := s.Handle(serving.ModelSpec{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		s.config()
		s.want("m", "1 UNLOADING")
		if left := s.source.unreleased(); !slices.Equal(left, []string{"/m/1"}) {
			t.Errorf("unreleased while a request is answered: %v", left)
		}
		var atClose []string
		s.puppet.opened[0].onClose = func() { atClose = s.source.unreleased() }
		h.Release()
		synctest.Wait()
		s.want("m", "1 END")
		if left := s.source.unreleased(); len(atClose) != 1 || len(left) != 0 {
			t.Errorf("unreleased when the servable was closed: %v, after that: %v", atClose, left)
		}
	})
}

// A fetch that fails is a load that has failed: it is tried again, and its reason is told.
func TestAFailedFetchIsRetried(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		letGo := s.source.holdsFetch("/m/1")
		s.config(latest("m", 1))
		letGo(status.Error(codes.Unavailable, "the store is away"))
		synctest.Wait()
		s.want("m", "1 LOADING")
		s.wantReason("model m: version 1 failed to load and will be tried again: UNAVAILABLE: the store is away")
		s.pass(time.Minute)
		letGo(nil)
		synctest.Wait()
		s.want("m", "1 AVAILABLE")
	})
}

// Each attempt fetches anew, and a failed one holds nothing.
func TestAFailedLoadReleasesWhatWasFetched(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.puppet.fails("/m/1", errTest)
		s.config(latest("m", 1))
		s.want("m", "1 LOADING")
		if left := s.source.unreleased(); len(left) != 0 {
			t.Errorf("unreleased between two attempts: %v", left)
		}
		s.puppet.fails("/m/1", nil)
		s.pass(time.Minute)
		s.want("m", "1 AVAILABLE")
		if left := s.source.unreleased(); !slices.Equal(left, []string{"/m/1"}) {
			t.Errorf("unreleased: %v", left)
		}
	})
}

// A fetch ends when its version is not wanted any more. It holds a slot of the loads, and nothing else: scans, other models and
// requests go on.
func TestAFetchThatIsNotWantedAnyMoreIsCancelled(t *testing.T) {
	inBubble(t, func(o *Options) { o.NumLoadThreads = 2 }, func(t *testing.T, s *stage) {
		s.source.put("/far", 1)
		s.source.holdsFetch("/far/1")
		s.config(latest("far", 1))
		s.want("far", "1 LOADING")
		s.source.put("/m", 1)
		s.config(latest("far", 1), latest("m", 1))
		s.source.put("/m", 2)
		s.pass(2 * time.Second)
		s.want("m", "2 AVAILABLE, 1 END")
		s.config(latest("m", 1))
		s.want("far", "1 END")
		all, _ := s.Status("far", nil)
		servingtest.WantStatus(t, all[0].Err, codes.Canceled, "Loading of servable cancelled")
	})
}

func TestASourceThatPanicsHasFailed(t *testing.T) {
	inBubble(t, func(o *Options) { o.Source, o.MaxLoadRetries = panicking{o.Source.(*puppetSource)}, 0 }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		s.want("m", "1 END")
		all, _ := s.Status("m", nil)
		servingtest.WantStatus(t, all[0].Err, codes.Internal, "the loader panicked: no such source")
	})
}
