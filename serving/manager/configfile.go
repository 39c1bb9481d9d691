package manager

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"
)

// ConfigFile keeps a configuration file applied: once with Apply at start-up, then with Watch whenever its content
// changes. What cannot be read or applied leaves the old configuration in force, is logged once, and tried again at each
// poll, since a label may soon have its version.
type ConfigFile struct {
	Read   func() ([]byte, error)                          // the file's content
	Set    func(ctx context.Context, content []byte) error // parses the content and gives it to SetConfig; it does not wait for loads
	Every  time.Duration                                   // --model_config_file_poll_wait_seconds; 0: only once
	Logger *slog.Logger                                    // nil: silent

	mu      sync.Mutex
	applied []byte // the content in force
	tried   []byte // the content that was tried last
	err     error  // why that is not in force; nil when it is
}

// Apply reads the file and applies it, unless its content is in force already.
func (f *ConfigFile) Apply(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.apply(ctx)
	return err
}

// Watch applies changes until ctx is done.
func (f *ConfigFile) Watch(ctx context.Context) {
	every(ctx, f.Every, func() { f.poll(ctx) })
}

// every calls do again and again until ctx ends; never if the interval is 0 or less.
func every(ctx context.Context, interval time.Duration, do func()) {
	if interval <= 0 {
		return
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// Err says why the file as it is now is not in force; nil when it is.
func (f *ConfigFile) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *ConfigFile) poll(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, tried := f.err, f.tried
	changed, err := f.apply(ctx)
	if f.Logger == nil || ctx.Err() != nil {
		return
	}
	switch {
	case err == nil && changed:
		f.Logger.Info("configuration file applied")
	case err == nil && was != nil:
		f.Logger.Info("configuration file is as it was: nothing to apply")
	case err != nil && (was == nil || was.Error() != err.Error() || !bytes.Equal(tried, f.tried)):
		f.Logger.Error("configuration file not applied, the old configuration stays", slog.String("reason", describe(err)))
	}
}

func (f *ConfigFile) apply(ctx context.Context) (changed bool, err error) {
	content, err := f.Read()
	if err != nil {
		f.err = err
		return false, err
	}
	f.tried = content
	if f.applied != nil && bytes.Equal(content, f.applied) {
		f.err = nil
		return false, nil
	}
	if f.err = f.Set(ctx, content); f.err == nil {
		f.applied = bytes.Clone(content)
		if f.applied == nil {
			f.applied = []byte{}
		}
	}
	return f.err == nil, f.err
}
