package manager

import (
	"log/slog"
	"runtime"
	"time"

	"shoal/serving"
	"shoal/serving/source"
)

// Options are what a Manager is made of. Only Loader is needed; a field's zero value means what it says.
type Options struct {
	Loader serving.LoaderFunc
	Source source.Source

	PollWait          time.Duration // --file_system_poll_wait_seconds; 0: look once a configuration, negative: never look
	NumLoadThreads    int           // --num_load_threads; 0: chosen, one a CPU and at most four
	NumUnloadThreads  int           // --num_unload_threads; 0: chosen, likewise
	MaxLoadRetries    int           // --max_num_load_retries; 0: a failed load is not tried again
	LoadRetryInterval time.Duration // --load_retry_interval_micros

	// AllowLabelsForUnavailable lets a new label name a version that is not available yet
	// (--allow_version_labels_for_unavailable_models).
	AllowLabelsForUnavailable bool

	// AwaitRepository makes Ready say no until a Repository has been looked through.
	AwaitRepository bool

	Logger *slog.Logger // nil: silent
	Hooks  serving.Hooks
}

func (o *Options) ensureDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	chosen := min(4, runtime.GOMAXPROCS(0))
	if o.NumLoadThreads <= 0 {
		o.NumLoadThreads = chosen
	}
	if o.NumUnloadThreads <= 0 {
		o.NumUnloadThreads = chosen
	}
}
