package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/rest"
	"shoal/serving/rpc"
)

// details are what spans and the access log tell of a request beyond what is counted. They are collected only where one of
// the two is told.
type details struct {
	id       string // the request's id, "" where it has none
	verb     string // of HTTP
	path     string // of HTTP, as it was sent, without the query
	status   int    // of HTTP
	received int    // bytes of the request's body or message
	sent     int    // and of the answer's
	rows     int    // or examples
	together int    // rows that ran with them, their own included; 0: not known
}

func restDetails(c *rest.Call) (d details) {
	d.rows, d.together = max(c.Rows, c.Examples), c.BatchRows
	if c.HTTP == nil {
		return d
	}
	d.id = string(c.HTTP.Response.Header.Peek(serving.RequestIDHeader))
	path, _, _ := bytes.Cut(c.HTTP.RequestURI(), []byte{'?'})
	d.verb, d.path, d.status = string(c.HTTP.Method()), clip(string(path)), c.HTTP.Response.StatusCode()
	d.received, d.sent = max(c.HTTP.Request.Header.ContentLength(), 0), len(c.HTTP.Response.Body())
	return d
}

func rpcDetails(c *rpc.Call) (d details) {
	d.id, d.rows, d.together = c.RequestID, max(c.Rows, c.Examples), c.BatchRows
	d.received, d.sent = c.Bytes()
	return d
}

// accessLog writes a line for a share of the requests. A nil one writes none.
type accessLog struct {
	log   *slog.Logger
	ratio float64
}

// newAccessLog returns nil where no request is to be logged.
func newAccessLog(log *slog.Logger, ratio float64) *accessLog {
	if ratio <= 0 {
		return nil
	}
	return &accessLog{log: log, ratio: ratio}
}

// sampled is to be asked once a request.
func (a *accessLog) sampled() bool { return a != nil && (a.ratio >= 1 || rand.Float64() < a.ratio) }

func (a *accessLog) write(r *request, d *details) {
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
	text("api", r.api)
	text("method", r.method)
	text("verb", d.verb)
	text("path", d.path)
	text("model", clip(r.model))
	if r.version >= 0 {
		line = append(line, slog.Int64("version", r.version))
	}
	text("signature", r.signature)
	number("status", d.status)
	text("code", statusName(codeOf(r.err)))
	number("rows", d.rows)
	number("batch_rows", d.together)
	number("bytes_in", d.received)
	number("bytes_out", d.sent)
	millis("ms", r.duration)
	millis("queue_ms", r.queue)
	millis("run_ms", r.run)
	text("request_id", d.id)
	if r.span.IsValid() {
		text("trace_id", r.span.TraceID().String())
	}
	if r.err != nil {
		text("error", clip(status.Convert(r.err).Message()))
	}
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "request", line...)
}

// clip bounds what is told of a text that a client made.
func clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
