package load

import (
	"strings"
	"testing"
	"time"
)

const milli = time.Millisecond

// TestSummary: what counts as throughput, what as late, and what the server told.
func TestSummary(t *testing.T) {
	o := Options{Duration: 3 * time.Second, Warmup: time.Second, Clients: 2, Pacer: Constant{PerSecond: 50}}
	r := NewRecorder(o, 50*milli)
	var block []Result
	for i := range 100 { // one every 20 ms after the warm-up, taking 1 to 100 ms
		due := time.Second + time.Duration(i)*20*milli
		block = append(block, Result{Due: due, Noticed: due, Sent: due, Done: due + time.Duration(i+1)*milli, Rows: 2, Server: ServerTimes{Batch: 4, Queue: 500}})
	}
	for i, o := range []Outcome{Refused, Refused, Wrong, TimedOut, Broken} {
		block = append(block, Result{Due: 2 * time.Second, Noticed: 2 * time.Second, Sent: 2 * time.Second, Done: 2*time.Second + milli, Outcome: o, Code: int32(500 + i), Rows: 2})
	}
	block = append(block, Result{Warmup: true, Outcome: Broken})
	r.Add(block)
	s := r.Summary(Totals{Unsent: 3})
	if s.Sent != 105 || s.Good != 100 || s.Late != 50 || s.Refused != 2 || s.Wrong != 1 || s.TimedOut != 1 || s.Broken != 1 || s.Unsent != 3 {
		t.Errorf("%+v", s)
	}
	// The last answer came 80 ms after the end of sending: that time counts.
	if want := 100 / 2.08; s.Throughput < want-0.01 || s.Throughput > want+0.01 || s.Instances < 2*want-0.02 {
		t.Errorf("throughput %.3f, instances %.3f", s.Throughput, s.Instances)
	}
	if s.Latency.P50 < 50 || s.Latency.P50 > 50.1 || s.Latency.P90 < 90 || s.Latency.P90 > 90.1 || s.Latency.Max < 100 || s.Latency.Max > 100.1 {
		t.Errorf("latency %+v", s.Latency)
	}
	if s.Codes["500"] != 1 || s.Codes["501"] != 1 || len(s.Codes) != 2 {
		t.Errorf("codes %v", s.Codes)
	}
	if s.Server == nil || s.Server.Batch != 4 || s.Server.Queue.P50 != 0.5 {
		t.Errorf("server %+v", s.Server)
	}
	if s.Void != "" || s.OfferedRate != 50 {
		t.Errorf("void %q, offered %v", s.Void, s.OfferedRate)
	}
	last := Point{}
	for _, p := range s.CDF {
		if p.Q < last.Q || p.MS < last.MS {
			t.Fatalf("the distribution falls from %v to %v", last, p)
		}
		last = p
	}
	if last.Q != 1 || last.MS != s.Latency.Max {
		t.Errorf("it ends at %v", last)
	}
	if n := len(s.OverTime); n != 20 || s.OverTime[19].At != 2 {
		t.Errorf("%d intervals, %+v", n, s.OverTime)
	}
}

func TestVoid(t *testing.T) {
	result := func(late time.Duration) []Result {
		return []Result{{Due: 0, Noticed: late, Sent: late, Done: late + milli}}
	}
	open, closed := Options{Duration: time.Second, Clients: 1, Pacer: Constant{PerSecond: 1}}, Options{Duration: time.Second, Clients: 1}
	for name, c := range map[string]struct {
		options Options
		results []Result
		totals  Totals
		want    string
	}{
		"punctual":         {open, result(milli / 2), Totals{}, ""},
		"late":             {open, result(2 * milli), Totals{}, "generator itself was late"},
		"closed":           {closed, result(0), Totals{}, ""},
		"nothing":          {closed, nil, Totals{}, "nothing was sent"},
		"overrun":          {open, result(0), Totals{Overrun: true, Unsent: 1}, ""},
		"overrun for late": {open, result(0), Totals{Overrun: true, Unsent: 1, Late: time.Second}, "late when too many"},
	} {
		r := NewRecorder(c.options, 0)
		r.Add(c.results)
		if got := r.Summary(c.totals).Void; !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	a, err := NewAnswers(2, [][]byte{[]byte(`{"predictions": [1.0, [2, "x"]]}`)}, ParseJSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		body   int
		answer string
		right  bool
	}{
		{0, `{"predictions":[1.0000001,[2,"x"]]}`, true},
		{0, `{"predictions":[1.1,[2,"x"]]}`, false},
		{0, `{"predictions":[1.0,[2,"y"]]}`, false},
		{0, `{"predictions":[1.0,[2]]}`, false},
		{0, `{"predictions":[1.0,`, false},
		{0, `{"outputs":[1.0,[2,"x"]]}`, false},
		{1, `{"predictions":[5]}`, true}, // the first one is the reference
		{1, `{"predictions":[5.0]}`, true},
		{1, `{"predictions":[6]}`, false},
	} {
		for range 2 { // seen before or not
			if got := a.Check(c.body, []byte(c.answer)); got != c.right {
				t.Errorf("body %d, %s: %v", c.body, c.answer, got)
			}
		}
	}
}
