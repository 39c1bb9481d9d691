package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// content makes an entry of one file with n bytes.
func content(n int) Fill {
	return func(_ context.Context, dir string, room *Room) error {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			return err
		}
		defer f.Close()
		w := room.Writer(f)
		defer w.Close()
		_, err = w.Write(make([]byte, n))
		return err
	}
}

func noFill(context.Context, string, *Room) error { return errors.New("filled though it is there") }

func get(t *testing.T, c *Cache, key string, fill Fill) (dir string, release func()) {
	t.Helper()
	dir, release, err := c.Get(t.Context(), key, Origin{"place of " + key, "state of " + key}, fill)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return dir, release
}

// keys are those of the entries, and work what else is in the directory.
func keys(t *testing.T, dir string) (keys, work []string) {
	t.Helper()
	for from, to := range map[string]*[]string{"entries": &keys, "work": &work} {
		found, err := os.ReadDir(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			*to = append(*to, f.Name())
		}
	}
	return keys, work
}

func TestAnEntryIsFilledOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when", "needed")
	c := New(dir, 0)
	var fills atomic.Int64
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			_, release := get(t, c, "a", func(ctx context.Context, dir string, room *Room) error {
				fills.Add(1)
				return content(10)(ctx, dir, room)
			})
			release()
		})
	}
	all.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("filled %d times", n)
	}
	_, release := get(t, New(dir, 0), "a", noFill) // as after a restart
	release()
	if state, ok := c.Last("place of a"); !ok || state != "state of a" {
		t.Errorf("last: %q %v", state, ok)
	}
	if _, ok := c.Last("place of b"); ok {
		t.Error("an entry from a place that has none")
	}
}

func TestTheLeastRecentlyUsedEntriesGo(t *testing.T) {
	dir := t.TempDir()
	c := New(dir, 1000)
	var releases []func()
	for i, key := range []string{"a", "b", "c"} {
		_, release := get(t, c, key, content(300))
		used := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, "entries", key, "about.json"), used, used); err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	for _, release := range releases[1:] {
		release()
	}
	_, release := get(t, c, "b", noFill) // now the last one
	release()
	_, release = get(t, c, "d", content(300))
	release()
	if found, work := keys(t, dir); !slices.Equal(found, []string{"a", "b", "d"}) || len(work) != 0 {
		t.Errorf("entries %v, work %v; a is in use and b was used last", found, work)
	}

	// Another process sees the same locks.
	other := New(dir, 1000)
	_, release = get(t, other, "e", content(700))
	defer release()
	if found, _ := keys(t, dir); !slices.Equal(found, []string{"a", "e"}) {
		t.Errorf("entries %v", found)
	}
	_, _, err := c.Get(t.Context(), "f", Origin{}, content(300))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "--model_cache_bytes is 1000") {
		t.Errorf("%v", err)
	}
	releases[0]()
	_, release = get(t, c, "f", content(300))
	release()
}

// A fill that fails leaves nothing: no entry, no file, no room taken.
func TestAFailedFillLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	c := New(dir, 1000)
	want := status.Error(codes.DataLoss, "broken")
	for range 3 {
		_, _, err := c.Get(t.Context(), "a", Origin{}, func(ctx context.Context, dir string, room *Room) error {
			return errors.Join(content(900)(ctx, dir, room), want)
		})
		if status.Code(err) != codes.DataLoss {
			t.Errorf("%v", err)
		}
	}
	if found, work := keys(t, dir); len(found)+len(work) != 0 {
		t.Errorf("entries %v, work %v", found, work)
	}
	_, release := get(t, c, "a", content(900))
	release()
}

func TestAWaitingCallEndsWithItsContext(t *testing.T) {
	c := New(t.TempDir(), 0)
	begun, end := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, release := get(t, c, "a", func(ctx context.Context, dir string, room *Room) error {
			close(begun)
			<-end
			return content(1)(ctx, dir, room)
		})
		release()
	})
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Get(ctx, "a", Origin{}, noFill); status.Code(err) != codes.Canceled {
		t.Errorf("%v", err)
	}
	close(end)
	all.Wait()
}

// What a killed process has left is removed, unless another one is at work on it.
func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"fill-dead", "fill-alive", "fill-young"} {
		at := filepath.Join(dir, "work", name)
		if err := os.MkdirAll(filepath.Join(at, "files"), 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "fill-young" {
			continue
		}
		if err := os.Chtimes(at, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "work"), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := lockDir(filepath.Join(dir, "work", "fill-alive"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	_, release := get(t, New(dir, 0), "a", content(1))
	release()
	if _, work := keys(t, dir); !slices.Equal(work, []string{"fill-alive", "fill-young"}) {
		t.Errorf("work %v", work)
	}
}

// Whoever may write to the cache decides what the server runs.
func TestADirectoryThatOthersMayWriteToIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "entries"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "entries"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, _, err := New(dir, 0).Get(t.Context(), "a", Origin{}, content(1))
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "others may write to") {
		t.Errorf("%v", err)
	}
	if _, _, err = New("", 0).Get(t.Context(), "a", Origin{}, content(1)); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "set --model_cache_dir") {
		t.Errorf("%v", err)
	}
}
