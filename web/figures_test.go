package web

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/tensor"
)

var sig = &tensor.Signature{Name: "serving_default"}

func predict(model string, version int64, took time.Duration, err error) *serving.Call {
	return &serving.Call{
		API:    serving.REST,
		Method: "Predict", Model: model, Version: version, Signature: "serving_default", Err: err, Start: time.Unix(1700000000, 0), Duration: took,
		Decode: took / 8, Queue: took / 4, Run: took / 2, Encode: took / 8,
	}
}

// readTick is the page's next reading, as the browser gets it.
func readTick(t *testing.T, p *Page) (got tick) {
	t.Helper()
	text, err := json.Marshal(p.tick(p.read.Add(time.Second), p.models()))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTick(t *testing.T) {
	core := newFakeCore()
	core.load(t, "m", 1, nil)
	core.load(t, "m", 2, nil)
	core.load(t, "idle", 1, nil)
	p := newPage(core, Options{})
	p.tick(p.read.Add(time.Second), core.Models())

	for range 30 {
		p.Done(predict("m", 1, 2*time.Millisecond, nil))
	}
	for range 10 {
		p.Done(predict("m", 2, 8*time.Millisecond, status.Error(codes.Internal, "no")))
	}
	p.Done(&serving.Call{API: serving.GRPC, Method: "Predict", Model: "m", Version: serving.NoVersion, Duration: time.Millisecond})
	p.Done(predict("stranger", serving.NoVersion, time.Millisecond, status.Error(codes.NotFound, "no such model")))
	p.Done(&serving.Call{API: serving.REST, Method: "GetModelStatus", Model: "m", Version: serving.NoVersion, Duration: time.Hour})
	o := p.BatchObserver(nil)("m", 1)
	o.BatchDone(batcher.BatchInfo{Signature: sig, Entries: 3, Rows: 3, Size: 4, Run: 5 * time.Millisecond})
	o.BatchDone(batcher.BatchInfo{Signature: sig, Entries: 1, Rows: 1, Size: 1, Run: 5 * time.Millisecond})

	o.EntryRejected(sig, batcher.ErrClosed)

	got := readTick(t, p)
	if got.Rejected != 1 || got.Models["m"].Versions["1"].Rejected != 1 {
		t.Errorf("%v rejected a second, want 1", got.Rejected)
	}
	if got.Requests != 42 || got.Errors != 11 {
		t.Errorf("%v requests and %v errors a second, want 42 and 11: questions about models do not count", got.Requests, got.Errors)
	}
	m := got.Models["m"]
	if m.Requests != 41 || m.Errors != 10 || m.Instances != 4 {
		t.Errorf("m: %+v", m.figures)
	}
	if v := m.Versions["1"]; v.Requests != 30 || v.Batches != 2 || v.Rows != 2 || v.Padded != 2.5 || !near(v.P50, 2) || !near(v.Run50, 5) {
		t.Errorf("m version 1: %+v", v)
	}
	if v := m.Versions["2"]; v.Requests != 10 || !near(v.P99, 8) {
		t.Errorf("m version 2: %+v", v)
	}
	if _, there := got.Models["stranger"]; there {
		t.Error("a name that a client made up is among the models")
	}
	if _, there := got.Models["idle"]; there {
		t.Error("a model without requests takes room")
	}
	if again := readTick(t, p); again.Requests != 0 || again.P99 != 0 || len(again.Models) != 0 {
		t.Errorf("the second after: %+v", again)
	}
}

func near(got, want float64) bool { return got > want*0.93 && got < want*1.07 }

// TestSeriesEnd checks that a version that went leaves nothing, and that clients cannot make series.
func TestSeriesEnd(t *testing.T) {
	core := newFakeCore()
	core.load(t, "m", 1, nil)
	p := newPage(core, Options{})
	for i := range 1000 {
		p.Done(predict(string(rune('a'+i)), serving.NoVersion, time.Millisecond, nil))
		p.Done(&serving.Call{API: serving.GRPC, Method: "Predict", Model: string(rune('a' + i)), Version: serving.NoVersion, Duration: time.Millisecond})
	}
	p.Done(predict("m", 1, time.Millisecond, nil))
	readTick(t, p)
	if n := len(p.series.all()); n != 2 {
		t.Errorf("%d series for a version and its model, want 2", n)
	}
	core.models = nil
	readTick(t, p)
	if n := len(p.series.all()); n != 0 {
		t.Errorf("%d series are left", n)
	}
}

func TestQuantiles(t *testing.T) {
	var live liveHistogram
	var last [buckets]uint32
	var exact []time.Duration
	for range 20000 {
		d := time.Duration(rand.ExpFloat64() * float64(20*time.Millisecond))
		exact = append(exact, d)
		live.record(d)
	}
	slices.Sort(exact)
	h := live.since(&last)
	for _, q := range []float64{0.5, 0.9, 0.99} {
		if got, want := h.quantile(q), exact[int(q*float64(len(exact)))]; !near(float64(got), float64(want)) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if n := live.since(&last).total(); n != 0 {
		t.Errorf("%v counted twice", n)
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Microsecond, time.Second, 100 * time.Hour} {
		if b := bucketOf(d); b < 0 || b >= buckets {
			t.Errorf("%v is in bucket %d of %d", d, b, buckets)
		}
	}
	for b := 1; b < buckets; b++ {
		if bucketOf(edge(b)) != b || bucketOf(edge(b)-1) != b-1 {
			t.Fatalf("bucket %d does not begin at its edge %v", b, edge(b))
		}
	}
}

func TestSlowBoard(t *testing.T) {
	p := newPage(newFakeCore(), Options{})
	ms := time.Millisecond
	for _, d := range []time.Duration{3 * ms, 9 * ms, 5 * ms} {
		p.Done(predict("m", 1, d, nil))
	}
	list, changed := p.slow.collect(10 * ms)
	if !changed || len(list) != 1 || list[0].Total != 9 || list[0].Queue != 2.25 || *list[0].Version != 1 {
		t.Fatalf("the first second left %+v, want its slowest request", list)
	}
	p.Done(predict("m", 1, 10*ms, nil))
	if list, changed := p.slow.collect(10 * ms); changed {
		t.Errorf("a usual request is on the board: %+v", list)
	}
	for i := range 3 * slowKept {
		p.Done(predict("m", 1, time.Duration(11+i)*ms, status.Error(codes.Internal, "broken")))
		list, _ = p.slow.collect(10 * ms)
	}
	if len(list) != slowKept || list[0].Total != 10+3*slowKept || list[0].Code != "Internal" || list[0].Error != "broken" {
		t.Errorf("the board has %d requests, the newest of which is %+v", len(list), list[0])
	}
}

// TestOrdinaryCallsAllocateNothing guards the path of every request.
func TestOrdinaryCallsAllocateNothing(t *testing.T) {
	core := newFakeCore()
	core.load(t, "m", 1, nil)
	p := newPage(core, Options{})
	p.Done(predict("m", 1, time.Second, nil))
	call, batch := predict("m", 1, time.Millisecond, nil), batcher.BatchInfo{Signature: sig, Rows: 3, Size: 4, Run: time.Millisecond}
	o := p.BatchObserver(nil)("m", 1)
	if n := testing.AllocsPerRun(100, func() { p.Done(call); o.BatchDone(batch) }); n != 0 {
		t.Errorf("%v allocations for an ordinary request", n)
	}
}

func BenchmarkDone(b *testing.B) {
	p := newPage(newFakeCore(), Options{})
	p.Done(predict("m", 1, time.Second, nil))
	call := predict("m", 1, time.Millisecond, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Done(call)
		}
	})
}

// BenchmarkLook is what a second costs, however many watch.
func BenchmarkLook(b *testing.B) {
	core := newFakeCore()
	for i := range 10 {
		core.load(b, string(rune('a'+i)), 1, nil)
	}
	p := newPage(core, Options{})
	b.ReportAllocs()
	for b.Loop() {
		for i := range 10 {
			p.Done(predict(string(rune('a'+i)), 1, time.Millisecond, nil))
		}
		p.takeReading(p.read.Add(time.Second))
	}
}
