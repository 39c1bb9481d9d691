package serving

import (
	"log/slog"
	"runtime"
	"time"
)

// Options are what a Manager is made of. Only Loader is needed; a field's zero value means what it says.
type Options struct {
	Loader LoaderFunc
	Source Source // nil: the file system

	PollWait          time.Duration // --file_system_poll_wait_seconds; 0: look once a configuration, negative: never look
	NumLoadThreads    int           // --num_load_threads; 0: chosen, one a CPU and at most four
	NumUnloadThreads  int           // --num_unload_threads; 0: chosen, likewise
	MaxLoadRetries    int           // --max_num_load_retries; 0: a failed load is not tried again
	LoadRetryInterval time.Duration // --load_retry_interval_micros

	// AllowLabelsForUnavailable lets a new label name a version that is not available yet
	// (--allow_version_labels_for_unavailable_models).
	AllowLabelsForUnavailable bool

	Logger *slog.Logger // nil: silent
	Hooks  Hooks
}

// Hooks are told what happens; each may be nil. They are called with the manager's lock held: be quick, and call
// nothing of the manager.
type Hooks struct {
	// StateChanged is called for each step of a version; err is the reason where a load failed.
	StateChanged func(model string, version int64, from, to State, err error)
	// LoadFinished is called after each attempt to load.
	LoadFinished func(model string, version int64, attempt int, took time.Duration, err error)
	// ConfigApplied is called after each change of the configuration.
	ConfigApplied func(models int)
}

func (o *Options) ensureDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Source == nil {
		o.Source = &FileSource{Logger: o.Logger}
	}
	chosen := min(4, runtime.GOMAXPROCS(0))
	if o.NumLoadThreads <= 0 {
		o.NumLoadThreads = chosen
	}
	if o.NumUnloadThreads <= 0 {
		o.NumUnloadThreads = chosen
	}
}
