package telemetry

import (
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"shoal/batcher"
	"shoal/tensor"
)

// batchKey holds the labels of the batches' series.
type batchKey struct {
	model     string
	version   int64
	signature string
}

// reasons are the reasons of batches. Any other has the label "other".
var reasons = []batcher.Reason{
	batcher.ReasonFull, batcher.ReasonIdle, batcher.ReasonTimeout, batcher.ReasonDue, batcher.ReasonClosing, batcher.ReasonUnbatched, batcher.ReasonRetry, batcher.ReasonComparison, "other",
}

// refusals are the reasons for which an entry is not accepted.
var refusals = []string{"queue_full", "late", "too_large", "deadline", "cancelled", "closed", "no_device", "stuck", "other"}

// batchSeries holds the counts of one key.
type batchSeries struct {
	since    time.Time
	queue    histogram // of entries
	run      histogram // of entries
	reasons  []counter // as reasons
	failures counter
	rows     histogram
	entries  histogram
	padding  counter
	batch    histogram // runs of batches
	rejected []counter // as refusals
}

func newBatchSeries() *batchSeries {
	s := &batchSeries{since: time.Now(), reasons: make([]counter, len(reasons)), rejected: make([]counter, len(refusals))}
	s.queue.init(phaseScale)
	s.run.init(phaseScale)
	s.batch.init(phaseScale)
	s.rows.init(sizeScale)
	s.entries.init(sizeScale)
	return s
}

// BatchObserver returns an observer that counts what the batcher of one version does. It fits bundle.Options.Observer.
func (t *Telemetry) BatchObserver(model string, version int64) batcher.Observer {
	return &batchObserver{t: t, model: model, version: version}
}

type batchObserver struct {
	batcher.NoObserver
	t       *Telemetry
	model   string
	version int64
}

// series looks up the series at each call, because those of a version that has ended are dropped, and a version may return.
func (o *batchObserver) series(sig *tensor.Signature) *batchSeries {
	k := batchKey{model: o.model, version: o.version}
	if sig != nil { // nil: the request was rejected before it was decoded
		k.signature = sig.Name
	}
	if s := o.t.batches.find(k); s != nil {
		return s
	}
	k.model, k.version = o.t.lives.admit(k.model, k.version)
	return o.t.batches.get(k, newBatchSeries)
}

// BatchDone implements batcher.Observer.
func (o *batchObserver) BatchDone(b batcher.BatchInfo) {
	s := o.series(b.Signature)
	i := slices.Index(reasons, b.Reason)
	if i < 0 {
		i = len(reasons) - 1
	}
	s.reasons[i].add(1)
	if b.Reason == batcher.ReasonComparison {
		o.t.ranOn(&b)
		o.t.tf.batchDone(b)
		return // not a client's request: sizes and times of batches count requests only
	}
	var span trace.SpanContext
	if len(b.Traces) > 0 && o.t.tracing != nil {
		span = o.t.tracing.batch(o.model, o.version, &b)
	}
	o.statistics().ran(&b)
	s.batch.recordTraced(int64(b.Run), span)
	s.entries.record(int64(b.Entries))
	s.rows.record(int64(max(b.Rows, 1)))
	s.padding.add(max(b.Size-b.Rows, 0))
	if b.Err != nil {
		s.failures.add(1)
	}
	o.t.ranOn(&b)
	o.t.tf.batchDone(b)
	o.t.flight.batchDone(o.model, o.version, &b)
}

// EntryDone implements batcher.Observer.
func (o *batchObserver) EntryDone(e batcher.EntryInfo) {
	var span trace.SpanContext
	if e.Trace != nil && o.t.tracing != nil {
		span = spanContext(e.Trace)
		o.t.tracing.waited(&e)
	}
	if e.Err != nil {
		if errors.Is(e.Err, batcher.ErrLate) { // it was accepted before it was shed
			o.EntryRejected(e.Signature, e.Err)
		}
		return // without an answer it has no times of a run
	}
	o.statistics().passed(&e)
	s := o.series(e.Signature)
	s.queue.recordTraced(int64(e.Queue), span)
	s.run.recordTraced(int64(e.Run), span)
	o.t.tf.entryDone(e)
}

// EntryRejected implements batcher.Observer.
func (o *batchObserver) EntryRejected(sig *tensor.Signature, err error) {
	why := refusal(err)
	o.series(sig).rejected[slices.Index(refusals, why)].add(1)
	o.t.refused.add(o.model, why, err)
}

// refusal returns the reason, one of refusals, why an entry was not accepted.
func refusal(err error) string {
	switch {
	case errors.Is(err, batcher.ErrQueueFull):
		return "queue_full"
	case errors.Is(err, batcher.ErrLate):
		return "late"
	case errors.Is(err, batcher.ErrClosed):
		return "closed"
	case errors.Is(err, batcher.ErrNoDevice):
		return "no_device"
	case errors.Is(err, batcher.ErrStuck):
		return "stuck"
	}
	switch codeOf(err) {
	case codes.InvalidArgument:
		return "too_large"
	case codes.DeadlineExceeded:
		return "deadline"
	case codes.Canceled:
		return "cancelled"
	}
	return "other"
}
