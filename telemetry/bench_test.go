package telemetry

import (
	"testing"
	"time"

	"shoal/batcher"
	"shoal/serving"
)

// BenchmarkRequest is what one request costs: the call, and its part as an entry of a batch.
func BenchmarkRequest(b *testing.B) {
	tel := newTelemetry(b)
	live(tel, "m", 1)
	call, o := predict("m", 1, nil), tel.BatchObserver("m", 1)
	entry := batcher.EntryInfo{Signature: sig, Rows: 1, Queue: time.Millisecond, Run: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		tel.Done(call)
		o.EntryDone(entry)
	}
}

// BenchmarkRequestParallel is the same from every processor at once, all counting in the same series.
func BenchmarkRequestParallel(b *testing.B) {
	tel := newTelemetry(b)
	live(tel, "m", 1)
	o := tel.BatchObserver("m", 1)
	entry := batcher.EntryInfo{Signature: sig, Rows: 1, Queue: time.Millisecond, Run: time.Millisecond}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		call := predict("m", 1, nil)
		for pb.Next() {
			tel.Done(call)
			o.EntryDone(entry)
		}
	})
}

func BenchmarkGRPC(b *testing.B) {
	tel := newTelemetry(b)
	live(tel, "m", 1)
	call := &serving.Call{API: serving.GRPC, Method: "Predict", Model: "m", Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		tel.Done(call)
	}
}

func BenchmarkBatch(b *testing.B) {
	tel := newTelemetry(b)
	live(tel, "m", 1)
	o := tel.BatchObserver("m", 1)
	info := batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonIdle, Entries: 8, Rows: 8, Size: 8, Run: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		o.BatchDone(info)
	}
}

// headers are an exchange that has no facts.
type headers map[string]string

func (h headers) Header(name string) string    { return h[name] }
func (h headers) SetHeader(name, value string) { h[name] = value }
func (headers) Facts() serving.Facts           { return serving.Facts{} }

// BenchmarkTraced is what a request costs on top where tracing is on, alone in its batch: a sampled one has seven spans, made and
// queued to be sent, and one that is not has none.
func BenchmarkTraced(b *testing.B) {
	for _, sampler := range []string{"always_on", "always_off"} {
		b.Run(sampler, func(b *testing.B) {
			send(b, protocolGRPC)
			b.Setenv("OTEL_TRACES_SAMPLER", sampler)
			tel := newTelemetry(b)
			live(tel, "m", 1)
			call, o := predict("m", 1, nil), tel.BatchObserver("m", 1)
			b.ReportAllocs()
			for b.Loop() {
				call.Exchange, call.Start = headers{}, time.Now()
				call.Context = tel.Begin(b.Context(), call)
				batch := batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonIdle, Entries: 1, Rows: 1, Size: 1, Start: call.Start}
				trace := TraceOf(call.Context)
				if trace != nil {
					batch.Traces = []any{trace}
				}
				o.BatchDone(batch)
				o.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 1, Arrived: call.Start, Queue: time.Millisecond, Run: time.Millisecond, Trace: trace})
				tel.Done(call)
			}
		})
	}
}

func BenchmarkPage(b *testing.B) {
	tel := newTelemetry(b)
	exercise(tel)
	for b.Loop() {
		tfPage(b, tel, "/monitoring/prometheus/metrics")
	}
}
