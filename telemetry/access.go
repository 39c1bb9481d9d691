package telemetry

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// accessLog logs a share of the requests. A nil accessLog logs none.
type accessLog struct {
	log   *slog.Logger
	ratio float64
}

// newAccessLog returns nil if the share is 0.
func newAccessLog(log *slog.Logger, ratio float64) *accessLog {
	if ratio <= 0 {
		return nil
	}
	return &accessLog{log: log, ratio: ratio}
}

// sampled reports whether to log a request. Call it once per request.
func (a *accessLog) sampled() bool { return a != nil && (a.ratio >= 1 || rand.Float64() < a.ratio) }

func (a *accessLog) write(c *serving.Call, f *serving.Facts, span trace.SpanContext) {
	line := make([]slog.Attr, 0, 24)
	text := func(key, value string) {
		if value != "" {
			line = append(line, slog.String(key, value))
		}
	}
	number := func(key string, value int) {
		if value > 0 {
			line = append(line, slog.Int(key, value))
		}
	}
	millis := func(key string, took time.Duration) {
		if took > 0 {
			line = append(line, slog.Float64(key, float64(took.Microseconds())/1000))
		}
	}
	text("api", c.API)
	text("method", c.Method)
	text("verb", f.Verb)
	text("path", f.Path)
	text("model", clip(c.Model))
	if c.Version >= 0 {
		line = append(line, slog.Int64("version", c.Version))
	}
	text("signature", c.Signature)
	number("status", f.Status)
	text("code", statusName(codeOf(c.Err)))
	number("rows", max(c.Rows, c.Examples))
	number("batch_rows", c.BatchRows)
	number("bytes_in", f.Received)
	number("bytes_out", f.Sent)
	millis("ms", c.Duration)
	millis("queue_ms", c.Queue)
	millis("run_ms", c.Run)
	text("request_id", f.RequestID)
	if span.IsValid() {
		text("trace_id", span.TraceID().String())
	}
	if c.Err != nil {
		text("error", clip(status.Convert(c.Err).Message()))
	}
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "request", line...)
}

// clip shortens a client's text for the log.
func clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
