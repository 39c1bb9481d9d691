package manager

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/internal/testlog"
	"shoal/serving/servingtest"
)

// shelf is a scripted repository: names of models whose base paths are "/" and the name.
type shelf struct {
	mu    sync.Mutex
	roots map[string][]string
	errs  map[string]error
}

func (s *shelf) Models(_ context.Context, root string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[string]string)
	for _, name := range s.roots[root] {
		found[name] = "/" + name
	}
	return found, s.errs[root]
}

func (s *shelf) put(root string, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots[root] = names
}

func (s *shelf) breaks(root string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[root] = err
}

// withRepository runs a scene with a repository of the roots r and s.
func withRepository(t *testing.T, explicit bool, scene func(t *testing.T, s *stage, r *Repository, there *shelf, log *testlog.Log)) {
	t.Helper()
	inBubble(t, func(o *Options) { o.AwaitRepository = true }, func(t *testing.T, s *stage) {
		there, log := &shelf{roots: make(map[string][]string), errs: make(map[string]error)}, new(testlog.Log)
		for _, name := range []string{"a", "b", "c"} {
			s.source.put("/"+name, 1)
		}
		r := &Repository{Manager: s.Manager, Lister: there, Roots: []string{"r", "s"}, Platform: "tensorflow", Explicit: explicit, Every: time.Second, Logger: log.Logger()}
		ctx, stop := context.WithCancel(context.Background())
		var watching sync.WaitGroup
		watching.Go(func() { r.Watch(ctx) })
		defer watching.Wait()
		defer stop()
		scene(t, s, r, there, log)
	})
}

func TestModelsOfARepositoryComeAndGo(t *testing.T) {
	withRepository(t, false, func(t *testing.T, s *stage, r *Repository, there *shelf, log *testlog.Log) {
		s.config()
		if ready, reasons := s.Ready(); ready {
			t.Errorf("ready before the repository was looked through: %v", reasons)
		}
		there.put("r", "a")
		if err := r.Look(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.want("a", "1 AVAILABLE")
		there.put("s", "b")
		s.pass(3 * time.Second)
		s.want("b", "1 AVAILABLE")
		if ready, reasons := s.Ready(); !ready {
			t.Error(reasons)
		}
		if found := r.Found(); !slices.Equal(found, []string{"a", "b"}) {
			t.Errorf("found %v", found)
		}

		there.put("r")
		there.breaks("s", errors.New("away"))
		s.pass(5 * time.Second)
		s.want("a", "1 END")
		s.want("b", "1 AVAILABLE") // nothing is known of its root
		if lines := log.Lines("cannot be listed"); len(lines) != 1 || !strings.Contains(lines[0], "away") {
			t.Errorf("%q", lines)
		}
		there.breaks("s", nil)
		there.put("s")
		s.pass(3 * time.Second)
		s.want("b", "1 END")
		if attempts := s.puppet.attempts("/b/1"); attempts != 1 {
			t.Errorf("loaded %d times", attempts)
		}
	})
}

// The configuration and the repository leave each other's models alone. A name in both is the configuration's.
func TestRepositoryBesideAConfiguration(t *testing.T) {
	withRepository(t, false, func(t *testing.T, s *stage, r *Repository, there *shelf, log *testlog.Log) {
		there.put("r", "a", "b")
		s.config(latest("b", 1), latest("c", 1))
		if err := r.Look(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, name := range []string{"a", "b", "c"} {
			s.want(name, "1 AVAILABLE")
		}
		if lines := log.Lines("another model has its name"); len(lines) != 1 {
			t.Errorf("%q", lines)
		}
		servingtest.WantStatus(t, r.Unload(context.Background(), "b"), codes.FailedPrecondition,
			"model b is in the configuration and not of a model repository: remove it from the configuration")
		if err := r.Load(context.Background(), "b"); err != nil {
			t.Error(err)
		}
		s.config(latest("a", 1)) // takes over a, and leaves b to the repository
		s.pass(3 * time.Second)
		s.want("a", "1 AVAILABLE")
		s.want("b", "1 AVAILABLE")
		s.want("c", "1 END")
		if n := s.puppet.attempts("/a/1"); n != 1 {
			t.Errorf("a was loaded %d times", n)
		}
		there.put("r", "b")
		s.pass(3 * time.Second)
		s.want("a", "1 AVAILABLE")
		if err := r.Unload(context.Background(), "b"); err != nil {
			t.Error(err)
		}
		s.pass(3 * time.Second)
		s.want("b", "1 END")
	})
}

func TestExplicitLoading(t *testing.T) {
	withRepository(t, true, func(t *testing.T, s *stage, r *Repository, there *shelf, _ *testlog.Log) {
		ctx := context.Background()
		s.config()
		there.put("r", "a", "b")
		if err := r.Look(ctx); err != nil {
			t.Fatal(err)
		}
		s.pass(3 * time.Second)
		if open := s.puppet.open(); len(open) != 0 {
			t.Errorf("loaded without being asked for: %v", open)
		}
		if ready, reasons := s.Ready(); !ready {
			t.Error(reasons)
		}
		servingtest.WantStatus(t, r.Load(ctx, "c"), codes.NotFound, "model c is not in a model repository (--model_repository)")
		servingtest.WantStatus(t, r.Unload(ctx, "a"), codes.NotFound, "model a is not served")
		there.put("s", "c") // a model that has come since
		for _, name := range []string{"c", "a", "a"} {
			if err := r.Load(ctx, name); err != nil {
				t.Error(err)
			}
			s.want(name, "1 AVAILABLE")
		}
		s.config(latest("b", 1)) // another configuration leaves them
		s.pass(3 * time.Second)
		s.want("a", "1 AVAILABLE")
		if err := r.Unload(ctx, "a"); err != nil {
			t.Error(err)
		}
		s.pass(3 * time.Second)
		s.want("a", "1 END")
		s.want("c", "1 AVAILABLE")
		if err := r.Load(ctx, "a"); err != nil {
			t.Error(err)
		}
		s.want("a", "1 AVAILABLE")
	})
}

// A load waits for its end, and has the load's error. Loading again tries again.
func TestLoadThatFails(t *testing.T) {
	withRepository(t, true, func(t *testing.T, s *stage, r *Repository, there *shelf, _ *testlog.Log) {
		s.config()
		there.put("r", "a")
		s.puppet.fails("/a/1", status.Error(codes.InvalidArgument, "no model"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := r.Load(ctx, "a"); status.Code(err) != codes.Unknown || !strings.Contains(err.Error(), "no model") {
			t.Error(err)
		}
		letGo := s.puppet.holds("/a/1")
		s.puppet.fails("/a/1", nil)
		if err := r.Unload(ctx, "a"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Load(short, "a"); status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
		s.want("a", "1 LOADING")
		letGo(nil)
		synctest.Wait()
		s.want("a", "1 AVAILABLE")
	})
}
