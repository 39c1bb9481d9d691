package telemetry

import (
	"testing"
	"time"

	"shoal/batcher"
	"shoal/serving/rpc"
)

// BenchmarkRequest is what one request costs: the call, and its part as an entry of a batch.
func BenchmarkRequest(b *testing.B) {
	tel := newTelemetry(b)
	live(tel, "m", 1)
	call, o := predict("m", 1, nil), tel.BatchObserver("m", 1)
	entry := batcher.EntryInfo{Signature: sig, Rows: 1, Queue: time.Millisecond, Run: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		tel.RESTCall(call)
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
			tel.RESTCall(call)
			o.EntryDone(entry)
		}
	})
}

func BenchmarkRPCCall(b *testing.B) {
	tel := newTelemetry(b)
	live(tel, "m", 1)
	call := rpc.Call{Method: "Predict", Model: "m", Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		tel.RPCCall(call)
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

func BenchmarkPage(b *testing.B) {
	tel := newTelemetry(b)
	exercise(tel)
	for b.Loop() {
		tfPage(b, tel, "/monitoring/prometheus/metrics")
	}
}
