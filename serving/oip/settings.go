package oip

import (
	"log/slog"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Log is a log whose level can be changed.
type Log interface {
	Level() slog.Level
	Set(slog.Level)
}

// LogSettings are Triton's settings of the log. Here a level includes those that are more severe.
type LogSettings struct {
	File    string `json:"log_file"`
	Info    bool   `json:"log_info"`
	Warning bool   `json:"log_warning"`
	Error   bool   `json:"log_error"`
	Verbose uint32 `json:"log_verbose_level"` // 1: debug messages too
	Format  string `json:"log_format"`
}

// silent is above every level.
const silent = slog.LevelError + 4

// ReadLog tells the settings.
func ReadLog(log Log) LogSettings {
	level := log.Level()
	s := LogSettings{Info: level <= slog.LevelInfo, Warning: level <= slog.LevelWarn, Error: level <= slog.LevelError, Format: "default"}
	if level <= slog.LevelDebug {
		s.Verbose = 1
	}
	return s
}

// SetLog changes the settings that are sent, all or none, and tells all of them.
func SetLog(log Log, sent map[string]Value) (LogSettings, error) {
	s := ReadLog(log)
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		if err := s.set(key, sent[key]); err != nil {
			return s, err
		}
	}
	level := silent
	switch {
	case s.Verbose > 0:
		level = slog.LevelDebug
	case s.Info:
		level = slog.LevelInfo
	case s.Warning:
		level = slog.LevelWarn
	case s.Error:
		level = slog.LevelError
	}
	if len(sent) > 0 {
		log.Set(level)
	}
	return ReadLog(log), nil
}

func (s *LogSettings) set(key string, v Value) error {
	switch key {
	case "log_info":
		return takeBool(key, v, &s.Info)
	case "log_warning":
		return takeBool(key, v, &s.Warning)
	case "log_error":
		return takeBool(key, v, &s.Error)
	case "log_verbose_level":
		n, ok := v.uint64()
		if !ok {
			return wrongKind(key, Uint)
		}
		s.Verbose = uint32(min(n, 1))
		return nil
	case "log_format":
		if v.Kind == String && v.String == s.Format {
			return nil
		}
		return status.Error(codes.Unavailable, "the log's format cannot be changed by a call: --log_format sets it")
	case "log_file":
		if v.Kind == String && v.String == s.File {
			return nil
		}
		return status.Error(codes.Unavailable, "log file location can not be updated through network protocol")
	}
	return invalid("there is no log setting '%s'", key)
}

// ErrTraceFixed answers a request to change the settings of traces.
var ErrTraceFixed = status.Error(codes.Unavailable,
	"the settings of traces cannot be changed by a call: the environment variables OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER set them")

// TraceSettings are Triton's settings of traces, as far as they exist here: spans go to a collector of OpenTelemetry.
func TraceSettings(tracing bool) map[string][]string {
	level := "OFF"
	if tracing {
		level = "TIMESTAMPS"
	}
	return map[string][]string{"trace_level": {level}, "trace_mode": {"opentelemetry"}}
}
