package manager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/source"
	"shoal/tensor"
)

// puppetServable notes whether it was closed, and fails a run after that.
type puppetServable struct {
	dir     string
	closed  atomic.Bool
	onClose func()

	stranded atomic.Bool
	warns    atomic.Bool
}

var errUsedAfterClose = errors.New("run after close")

func (s *puppetServable) Signature(string) (*tensor.Signature, bool) { return nil, false }
func (s *puppetServable) Describe() *engine.Description              { return nil }

func (s *puppetServable) Run(context.Context, batcher.Entry) (*batcher.Answer, error) {
	if s.closed.Load() {
		return nil, errUsedAfterClose
	}
	return &batcher.Answer{}, nil
}

func (s *puppetServable) Close() {
	if s.closed.Swap(true) {
		panic("closed twice")
	}
	if s.onClose != nil {
		s.onClose()
	}
}

// puppetLoader loads by hand: a version named in hold stays in its load until it is let go, one named in fail fails.
type puppetLoader struct {
	mu       sync.Mutex
	took     time.Duration
	hold     map[string]chan error // by dir
	fail     map[string]error
	loads    []string // every attempt, by dir
	running  int
	most     int // loads at once
	opened   []*puppetServable
	slowStop bool // ignores that its context ends
}

func newPuppetLoader() *puppetLoader {
	return &puppetLoader{hold: make(map[string]chan error), fail: make(map[string]error)}
}

type loaderFunc func(ctx context.Context) (serving.Servable, error)

func (f loaderFunc) Load(ctx context.Context) (serving.Servable, error) { return f(ctx) }

func (l *puppetLoader) loader(_ serving.ModelConfig, _ int64, dir string) serving.Loader {
	return loaderFunc(func(ctx context.Context) (serving.Servable, error) {
		l.mu.Lock()
		l.loads = append(l.loads, dir)
		l.running++
		l.most = max(l.most, l.running)
		hold, err := l.hold[dir], l.fail[dir]
		l.mu.Unlock()
		defer func() {
			l.mu.Lock()
			l.running--
			l.mu.Unlock()
		}()
		if l.took > 0 {
			time.Sleep(l.took) // of fake time
		}
		if hold != nil {
			if l.slowStop {
				err = <-hold
			} else {
				select {
				case err = <-hold:
				case <-ctx.Done():
					err = ctx.Err()
				}
			}
		}
		if err != nil {
			return nil, err
		}
		s := &puppetServable{dir: dir}
		l.mu.Lock()
		l.opened = append(l.opened, s)
		l.mu.Unlock()
		return s, nil
	})
}

// holds makes the next loads of dir wait; the function returned lets one go.
func (l *puppetLoader) holds(dir string) func(error) {
	c := make(chan error)
	l.mu.Lock()
	l.hold[dir] = c
	l.mu.Unlock()
	return func(err error) { c <- err }
}

func (l *puppetLoader) fails(dir string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail[dir] = err
}

func (l *puppetLoader) attempts(dir string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.loads {
		if d == dir {
			n++
		}
	}
	return n
}

// open lists the directories of the servables that are not closed.
func (l *puppetLoader) open() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	dirs := []string{}
	for _, s := range l.opened {
		if !s.closed.Load() {
			dirs = append(dirs, s.dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// puppetSource holds versions that are complete and have been quiet for long, unless a test changes that.
type puppetSource struct {
	mu    sync.Mutex
	bases map[string]map[int64]source.Contents
	errs  map[string]error
	looks []time.Time
	slow  func()                   // called in the middle of a look
	hangs map[string]chan struct{} // bases that do not answer, until the channel is closed
	most  int                      // looks at once
	now   int

	cache   string                // goes before a location to make the fetched directory
	fetches map[string]chan error // by location; a fetch waits for what is sent
	fetched map[string]int        // fetches that were not released, by location
}

func newPuppetSource() *puppetSource {
	return &puppetSource{bases: make(map[string]map[int64]source.Contents), errs: make(map[string]error),
		fetches: make(map[string]chan error), fetched: make(map[string]int)}
}

func (s *puppetSource) put(base string, versions ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bases[base] == nil {
		s.bases[base] = make(map[int64]source.Contents)
	}
	for _, v := range versions {
		s.bases[base][v] = source.Contents{Fingerprint: 1, HasModel: true}
	}
}

func (s *puppetSource) set(base string, version int64, c source.Contents) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bases[base][version] = c
}

func (s *puppetSource) drop(base string, versions ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range versions {
		delete(s.bases[base], v)
	}
}

func (s *puppetSource) breaks(base string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[base] = err
}

// hang makes a base path that does not answer; the function returned lets it.
func (s *puppetSource) hang(base string) (answer func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	if s.hangs == nil {
		s.hangs = make(map[string]chan struct{})
	}
	s.hangs[base] = c
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.hangs, base)
		close(c)
	}
}

func (s *puppetSource) Versions(_ context.Context, base string) (map[int64]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = append(s.looks, time.Now())
	if slow := s.slow; slow != nil {
		s.mu.Unlock()
		slow()
		s.mu.Lock()
	}
	s.now++
	s.most = max(s.most, s.now)
	if hang := s.hangs[base]; hang != nil {
		s.mu.Unlock()
		<-hang
		s.mu.Lock()
	}
	s.now--
	if err := s.errs[base]; err != nil {
		return nil, err
	}
	if s.bases[base] == nil {
		return nil, status.Errorf(codes.NotFound, "base path %s does not exist", base)
	}
	dirs := make(map[int64]string)
	for v := range maps.Keys(s.bases[base]) {
		dirs[v] = fmt.Sprintf("%s/%d", base, v)
	}
	return dirs, nil
}

func (s *puppetSource) Inspect(_ context.Context, at source.Version) (source.Contents, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for base, versions := range s.bases {
		for v, c := range versions {
			if fmt.Sprintf("%s/%d", base, v) == at.Location {
				return c, nil
			}
		}
	}
	return source.Contents{}, errors.New("gone")
}

// Fetch returns the location behind the cache's path.
func (s *puppetSource) Fetch(ctx context.Context, v source.Version) (dir string, release func(), err error) {
	s.mu.Lock()
	hold := s.fetches[v.Location]
	s.mu.Unlock()
	if hold != nil {
		select {
		case err = <-hold:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return "", nil, err
	}
	count := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fetched[v.Location] += n; s.fetched[v.Location] < 0 {
			panic("released twice")
		}
	}
	count(1)
	return s.cache + v.Location, func() { count(-1) }, nil
}

// holdsFetch makes fetches of a location wait; the function returned lets one go, or fail.
func (s *puppetSource) holdsFetch(location string) func(error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan error)
	s.fetches[location] = c
	return func(err error) { c <- err }
}

// unreleased lists the locations of the fetches that were not released.
func (s *puppetSource) unreleased() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	locations := []string{}
	for location, n := range s.fetched {
		for range n {
			locations = append(locations, location)
		}
	}
	slices.Sort(locations)
	return locations
}

// stage is a manager with puppets all round.
type stage struct {
	*Manager
	t      *testing.T
	source *puppetSource
	puppet *puppetLoader
}

// inBubble runs a scene in fake time, with a manager that looks every second.
func inBubble(t *testing.T, change func(*Options), scene func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, source: newPuppetSource(), puppet: newPuppetLoader()}
		opts := Options{Loader: s.puppet.loader, Source: s.source, PollWait: time.Second, MaxLoadRetries: 2, LoadRetryInterval: time.Minute}
		if change != nil {
			change(&opts)
		}
		s.Manager = New(opts)
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			if err := s.Close(ctx); err != nil {
				t.Errorf("Close: %v", err)
			}
			if open := s.puppet.open(); len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			if left := s.source.unreleased(); len(left) > 0 {
				t.Errorf("fetched and not released: %v", left)
			}
		}()
		scene(t, s)
	})
}

func (s *stage) config(models ...serving.ModelConfig) {
	s.t.Helper()
	if err := s.SetConfig(s.t.Context(), models); err != nil {
		s.t.Fatalf("SetConfig: %v", err)
	}
	synctest.Wait()
}

// pass lets fake time go by.
func (s *stage) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// states is "3 AVAILABLE, 2 END" of a model.
func (s *stage) states(model string) string {
	all, err := s.Status(model, nil)
	if err != nil {
		return err.Error()
	}
	text := ""
	for i, v := range all {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", v.Version, v.State)
	}
	return text
}

func (s *stage) want(model, states string) {
	s.t.Helper()
	if got := s.states(model); got != states {
		s.t.Fatalf("states of %s: %s; want %s", model, got, states)
	}
}

func (s *stage) wantReason(reason string) {
	s.t.Helper()
	ready, reasons := s.Ready()
	if ready == (reason != "") || reason != "" && !slices.Contains(reasons, reason) {
		s.t.Fatalf("Ready: %v %q; want %q", ready, reasons, reason)
	}
}

func latest(name string, n int) serving.ModelConfig {
	return serving.ModelConfig{Name: name, BasePath: "/" + name, Platform: "tensorflow", Policy: serving.VersionPolicy{Latest: n}}
}

func number(n int64) *int64 { return &n }

// panicking is a source whose fetches panic.
type panicking struct{ *puppetSource }

func (panicking) Fetch(context.Context, source.Version) (string, func(), error) {
	panic("no such source")
}
