package manager

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestConfigFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var content, readErr, available atomic.Value
		var set atomic.Int64
		content.Store("one")
		readErr.Store("")
		available.Store(false)
		f := &ConfigFile{
			Read: func() ([]byte, error) {
				if text := readErr.Load().(string); text != "" {
					return nil, errors.New(text)
				}
				return []byte(content.Load().(string)), nil
			},
			Set: func(_ context.Context, c []byte) error {
				set.Add(1)
				if bytes.HasPrefix(c, []byte("broken")) {
					return errors.New("parse error in " + string(c))
				}
				if bytes.HasPrefix(c, []byte("early")) && !available.Load().(bool) {
					return errLabelUnavailable("m", 2)
				}
				return nil
			},
			Every:  time.Second,
			Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := f.Apply(ctx); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { f.Watch(ctx); close(done) }()

		expect := func(step string, sets int64, lines int, errText string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			got := ""
			if err := f.Err(); err != nil {
				got = err.Error()
			}
			if set.Load() != sets || strings.Count(logged.String(), "\n") != lines || !strings.Contains(got, errText) || (got == "") != (errText == "") {
				t.Errorf("%s: set %d times, error %q, log:\n%s", step, set.Load(), got, logged.String())
			}
		}
		expect("unchanged", 1, 0, "")
		content.Store("two")
		expect("changed", 2, 1, "")
		expect("unchanged again", 2, 1, "")
		content.Store("broken")
		expect("broken", 3, 2, "parse error in broken")
		expect("still broken: tried, not logged", 4, 2, "parse error in broken")
		content.Store("broken too")
		expect("broken otherwise", 5, 3, "parse error in broken too")
		content.Store("two")
		expect("put back", 5, 4, "")
		readErr.Store("no such file")
		expect("gone", 5, 5, "no such file")
		expect("still gone", 5, 5, "no such file")
		readErr.Store("")
		content.Store("early label")
		expect("a label before its version", 6, 6, "not currently available")
		available.Store(true)
		expect("whose version came", 7, 7, "")
		cancel()
		<-done
	})
}

func TestConfigFileReadOnce(t *testing.T) {
	f := &ConfigFile{Read: func() ([]byte, error) { return nil, nil }, Set: func(context.Context, []byte) error { return nil }}
	f.Watch(t.Context()) // Every is 0: returns at once
	if err := f.Apply(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConfigFileErrorAtTheStart(t *testing.T) {
	f := &ConfigFile{
		Read: func() ([]byte, error) { return []byte("x"), nil },
		Set:  func(context.Context, []byte) error { return errors.New("no config") },
	}
	if err := f.Apply(t.Context()); err == nil || f.Err() == nil {
		t.Errorf("Apply: %v, Err: %v", err, f.Err())
	}
}
