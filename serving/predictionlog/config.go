package predictionlog

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FileCollector is the one log_collector_config.type there is, and what an empty one means: files that begin with the
// filename_prefix, of the server's own file system.
const FileCollector = "file"

// Options hold for all logs. A zero field has the default.
type Options struct {
	Logger        *slog.Logger
	Tags          []string      // the SavedModel tags that are served, for the records' metadata
	QueueRecords  int           // records that wait to be written, of one prefix (1024)
	QueueBytes    int           // and their bytes, though a single record may be larger (64 MiB)
	FlushInterval time.Duration // the longest that a record stays in memory (1 s)
	FileBytes     int64         // a file is followed by the next before it gets larger (256 MiB)
	Files         int           // files kept of one prefix, of earlier runs too; the oldest go (16)
	// Recorded is called for each record: OK where it was queued, RESOURCE_EXHAUSTED where the queue was full, UNAVAILABLE
	// where the log was closed meanwhile, INTERNAL where it cannot be serialised. It must be quick and safe for concurrent
	// use. May be nil.
	Recorded func(model string, code codes.Code)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.QueueRecords <= 0 {
		o.QueueRecords = 1024
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 64 << 20
	}
	if o.FlushInterval <= 0 {
		o.FlushInterval = time.Second
	}
	if o.FileBytes <= 0 {
		o.FileBytes = 256 << 20
	}
	if o.Files <= 0 {
		o.Files = 16
	}
	if o.Recorded == nil {
		o.Recorded = func(string, codes.Code) {}
	}
	return o
}

// Check says what is wrong with the models' logging configurations, all of it, as one INVALID_ARGUMENT; nil where
// nothing is. It touches no file.
func Check(configs map[string]*config_go_proto.LoggingConfig) error {
	if faults := Faults(configs); len(faults) > 0 {
		return status.Error(codes.InvalidArgument, strings.Join(faults, "; "))
	}
	return nil
}

// Faults is Check with a text for each fault.
func Faults(configs map[string]*config_go_proto.LoggingConfig) (faults []string) {
	fault := func(model, what string) { faults = append(faults, "logging_config of model "+model+": "+what) }
	for _, model := range slices.Sorted(maps.Keys(configs)) {
		config := configs[model]
		if config == nil {
			continue
		}
		if t := config.GetLogCollectorConfig().GetType(); t != "" && t != FileCollector {
			fault(model, `log_collector_config.type "`+t+`" is unknown; supported is "`+FileCollector+`", also when it is left out`)
		}
		switch prefix := config.GetLogCollectorConfig().GetFilenamePrefix(); {
		case prefix == "":
			fault(model, "log_collector_config.filename_prefix is missing")
		case strings.Contains(prefix, "://"):
			fault(model, "log_collector_config.filename_prefix is to be a path of the local file system, not "+prefix)
		}
		if rate := config.GetSamplingConfig().GetSamplingRate(); !(rate >= 0 && rate <= 1) { // NaN is not either
			fault(model, "sampling_config.sampling_rate is to be between 0 and 1")
		}
	}
	return faults
}
