package telemetry

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"shoal/batcher"
	"shoal/serving"
)

// statisticsKey is the version that a versionStatistics is of.
type statisticsKey struct {
	model   string
	version int64
}

// versionStatistics is serving.Statistics as it is counted.
type versionStatistics struct {
	last     atomic.Int64 // UnixNano
	rows     counter
	batches  counter
	answered tally
	failed   tally
	failures [len(failureReasons)]counter // those that failed, by reason
	decode   tally
	queue    tally
	run      tally
	encode   tally
	sizes    table[int, tally] // by rows
}

type tally struct{ count, nanos counter }

func (t *tally) add(took time.Duration) {
	t.count.add(1)
	t.nanos.add(int(took))
}

func (t *tally) read() serving.Tally {
	return serving.Tally{Count: t.count.load(), Time: time.Duration(t.nanos.load())}
}

func newStatistics() *versionStatistics { return new(versionStatistics) }
func newTally() *tally                  { return new(tally) }

// Statistics is what a version has done since it became available; zero where it is not known.
func (t *Telemetry) Statistics(model string, version int64) serving.Statistics {
	v := t.versions.find(statisticsKey{model, version})
	if v == nil {
		return serving.Statistics{}
	}
	s := serving.Statistics{
		Rows: v.rows.load(), Batches: v.batches.load(), Answered: v.answered.read(), Failed: v.failed.read(),
		Decode: v.decode.read(), Queue: v.queue.read(), Run: v.run.read(), Encode: v.encode.read(),
	}
	if last := v.last.Load(); last > 0 {
		s.Last = time.Unix(0, last)
	}
	for rows, run := range v.sizes.all() {
		s.Sizes = append(s.Sizes, serving.SizeStatistics{Rows: rows, Run: run.read()})
	}
	slices.SortFunc(s.Sizes, func(a, b serving.SizeStatistics) int { return cmp.Compare(a.Rows, b.Rows) })
	return s
}

// called counts a request that a version was found for. A version has statistics from the moment that it is available.
func (t *Telemetry) called(c *serving.Call) {
	if c.Version == serving.NoVersion || !c.Infers() {
		return
	}
	v := t.versions.find(statisticsKey{c.Model, c.Version})
	if v == nil {
		return
	}
	if c.Err != nil {
		v.failed.add(c.Duration)
		v.failures[failureReason(codeOf(c.Err))].add(1)
		return
	}
	v.answered.add(c.Duration)
	v.last.Store(c.Start.Add(c.Duration).UnixNano())
	if c.Decode > 0 {
		v.decode.add(c.Decode)
	}
	if c.Encode > 0 {
		v.encode.add(c.Encode)
	}
}

// statistics is nil until the version is available.
func (o *batchObserver) statistics() *versionStatistics {
	return o.t.versions.find(statisticsKey{o.model, o.version})
}

// ran counts a batch.
func (v *versionStatistics) ran(b *batcher.BatchInfo) {
	if v == nil || b.Err != nil {
		return
	}
	v.batches.add(1)
	v.sizes.get(max(b.Rows, 1), newTally).add(b.Run)
}

// passed counts an entry that was run.
func (v *versionStatistics) passed(e *batcher.EntryInfo) {
	if v == nil {
		return
	}
	v.rows.add(max(e.Rows, 1))
	v.queue.add(e.Queue)
	v.run.add(e.Run)
}
