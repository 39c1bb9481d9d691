package telemetry

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
)

// TestStatistics: a version's statistics begin when it is available, and go with its other series.
func TestStatistics(t *testing.T) {
	tel := newTelemetry(t)
	hooks := tel.ServingHooks()
	hooks.StateChanged("m", 1, serving.Unknown, serving.Start, nil)
	hooks.StateChanged("m", 1, serving.Start, serving.Loading, nil)
	observe := func(obs batcher.Observer) {
		obs.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonFull, Entries: 2, Rows: 5, Size: 8, Run: 3 * time.Millisecond})
		obs.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 4, Queue: time.Millisecond, Run: 3 * time.Millisecond})
		obs.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 1, Queue: 2 * time.Millisecond, Run: 3 * time.Millisecond})
	}
	obs := tel.BatchObserver("m", 1)
	observe(obs) // a recorded request
	hooks.StateChanged("m", 1, serving.Loading, serving.Available, nil)
	if got := tel.Statistics("m", 1); !reflect.DeepEqual(got, serving.Statistics{}) {
		t.Errorf("a version that has just become available: %+v", got)
	}

	observe(obs)
	obs.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonComparison, Entries: 1, Rows: 1, Size: 1, Run: time.Second})
	obs.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonUnbatched, Entries: 1, Run: time.Second, Err: errRun})
	obs.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 1, Queue: time.Second, Err: errRun})
	answered := predict("m", 1, nil)
	answered.Start = time.Unix(100, 0)
	tel.Done(answered)
	tel.Done(predict("m", 1, errRun))
	tel.Done(predict("m", serving.NoVersion, errRun))
	tel.Done(&serving.Call{API: serving.REST, Method: "GetModelStatus", Model: "m", Version: 1, Duration: time.Second})
	want := serving.Statistics{
		Last: time.Unix(100, 0).Add(9 * time.Millisecond), Rows: 5, Batches: 1,
		Answered: serving.Tally{Count: 1, Time: 9 * time.Millisecond}, Failed: serving.Tally{Count: 1, Time: 9 * time.Millisecond},
		Decode: serving.Tally{Count: 1, Time: time.Millisecond}, Encode: serving.Tally{Count: 1, Time: time.Millisecond / 2},
		Queue: serving.Tally{Count: 2, Time: 3 * time.Millisecond}, Run: serving.Tally{Count: 2, Time: 6 * time.Millisecond},
		Sizes: []serving.SizeStatistics{{Rows: 5, Run: serving.Tally{Count: 1, Time: 3 * time.Millisecond}}},
	}
	if got := tel.Statistics("m", 1); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	over(tel, "m", 1)
	live(tel, "m", 2)
	over(tel, "m", 2)
	if got := tel.Statistics("m", 1); !reflect.DeepEqual(got, serving.Statistics{}) {
		t.Errorf("a version that is gone: %+v", got)
	}
}

var errRun = status.Error(codes.Internal, "the run failed")
