package predictionlog

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Logs are the request logs of all models. Models with the same filename_prefix share its files; two servers must not,
// since each removes the oldest. Safe for concurrent use.
type Logs struct {
	opts    Options
	loggers atomic.Pointer[map[string]*Logger] // by model; never changed, only replaced

	mu     sync.Mutex       // held by Set and Close
	sinks  map[string]*sink // by stem; those that loggers write to
	closed bool
}

// NewLogs makes logs of no model; see Set.
func NewLogs(o Options) *Logs {
	l := &Logs{opts: o.withDefaults(), sinks: make(map[string]*sink)}
	l.loggers.Store(new(map[string]*Logger))
	return l
}

// Set makes configs, by model, the whole configuration. A log that stays goes on in its file; one that is not wanted any
// more is written to its end and closed before Set returns. An error leaves everything as it was. Sampling attributes and
// custom_logging_config are not known here and have no effect.
func (l *Logs) Set(configs map[string]*config_go_proto.LoggingConfig) error {
	if err := Check(configs); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return status.Error(codes.Unavailable, "the request logs are closed")
	}
	loggers, sinks := make(map[string]*Logger), make(map[string]*sink)
	var opened []*sink
	for _, model := range slices.Sorted(maps.Keys(configs)) {
		if configs[model] == nil {
			continue
		}
		stem := stemOf(configs[model].GetLogCollectorConfig().GetFilenamePrefix())
		s := cmp.Or(sinks[stem], l.sinks[stem])
		if s == nil {
			var err error
			if s, err = openSink(stem, l.opts); err != nil {
				closeAll(opened)
				return status.Errorf(codes.FailedPrecondition,
					"logging_config of model %s: log_collector_config.filename_prefix cannot be written to: %v", model, err)
			}
			opened = append(opened, s)
		}
		sinks[stem] = s
		loggers[model] = newLogger(model, configs[model].GetSamplingConfig(), s, l.opts)
	}
	l.loggers.Store(&loggers)
	var unused []*sink
	for stem, s := range l.sinks {
		if sinks[stem] == nil {
			unused = append(unused, s)
		}
	}
	l.sinks = sinks
	if err := closeAll(unused); err != nil {
		l.opts.Logger.Error("a request log was not closed well", "error", err)
	}
	return nil
}

// For is the log of a model, nil where it has none.
func (l *Logs) For(model string) *Logger {
	if l == nil {
		return nil
	}
	return (*l.loggers.Load())[model]
}

// Close writes what was recorded, closes the files and waits for both. Records that come later are dropped.
func (l *Logs) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.loggers.Store(new(map[string]*Logger))
	unused := slices.Collect(maps.Values(l.sinks))
	l.sinks = nil
	return closeAll(unused)
}

func closeAll(sinks []*sink) error {
	var errs []error
	for _, s := range sinks {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Logger records the sampled requests of one model. A nil one samples none.
type Logger struct {
	model    string
	sampling *config_go_proto.SamplingConfig // as configured, for the records
	rate     float64
	tags     []string
	sink     *sink
	recorded func(model string, code codes.Code)
}

func newLogger(model string, sampling *config_go_proto.SamplingConfig, s *sink, o Options) *Logger {
	sampling = proto.CloneOf(sampling)
	return &Logger{model: model, sampling: sampling, rate: sampling.GetSamplingRate(), tags: o.Tags, sink: s, recorded: o.Recorded}
}

// Sampled says whether to record this request. It is to be asked once a request.
func (l *Logger) Sampled() bool { return l != nil && rand.Float64() < l.rate }

// Write queues a record. It never waits for the disk: where the queue is full the record is dropped, and counted. What
// the record points at is free when Write returns; its metadata are completed on the way.
func (l *Logger) Write(record *apis_go_proto.PredictionLog) {
	if l == nil {
		return
	}
	if record.LogMetadata == nil {
		record.LogMetadata = new(apis_go_proto.LogMetadata)
	}
	record.LogMetadata.SamplingConfig = l.sampling
	record.LogMetadata.SavedModelTags = l.tags
	record.LogMetadata.TimestampSecs = time.Now().Unix()
	l.recorded(l.model, l.sink.add(record))
}
