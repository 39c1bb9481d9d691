package batcher

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// taking is a model in a simulation of fair: each of its workers asks again as soon as a run of its has ended.
type taking struct {
	weight  float64
	workers int
	takes   time.Duration // of a run, on average
	from    time.Duration // when it begins; until then it is idle

	flow     flow
	used     time.Duration
	longest  time.Duration // wait for a place
	expected time.Duration // what it says a run takes; 0: the truth
}

// worked is a place under way.
type worked struct {
	*taking
	place *place
	asked time.Duration
	ends  time.Duration
	takes time.Duration
}

// simulate shares places between models until the end, in time that is only counted, and fails where a place is free and somebody
// waits.
func simulate(t *testing.T, places int, models []*taking, end time.Duration) {
	t.Helper()
	f := fair{free: places}
	rnd := rand.New(rand.NewPCG(1, 2))
	workers := map[*place]*worked{}
	var idle, running []*worked
	for _, m := range models {
		m.flow.weight = m.weight
		for range m.workers {
			w := &worked{taking: m, place: new(place)}
			workers[w.place] = w
			idle = append(idle, w)
		}
	}
	for now := time.Duration(0); now < end; {
		for i := 0; i < len(idle); i++ {
			w := idle[i]
			if w.from > now {
				continue
			}
			idle = append(idle[:i], idle[i+1:]...)
			i--
			w.asked = now
			w.takes = time.Duration((0.5 + rnd.Float64()) * float64(w.taking.takes))
			expected := w.expected
			if expected == 0 {
				expected = w.takes
			}
			f.ask(&w.flow, w.place, expected)
		}
		for p := f.grant(); p != nil; p = f.grant() {
			w := workers[p]
			w.ends = now + w.takes
			w.longest = max(w.longest, now-w.asked)
			running = append(running, w)
		}
		if f.free > 0 && len(f.waiting) > 0 {
			t.Fatalf("at %v a place is free and somebody waits", now)
		}
		first := -1
		for i, w := range running {
			if first < 0 || w.ends < running[first].ends {
				first = i
			}
		}
		next := end
		for _, w := range idle {
			if w.from > now {
				next = min(next, w.from)
			}
		}
		if first < 0 || running[first].ends > next {
			now = next
			continue
		}
		w := running[first]
		running = append(running[:first], running[first+1:]...)
		now = w.ends
		w.used += w.takes
		w.flow.charge(w.takes - w.place.charged)
		f.free++
		idle = append(idle, w)
	}
}

// Busy models get processor time by their weights, however long their runs are and whatever they are expected to take, and nobody
// waits much longer than the others' runs take.
func TestFairShares(t *testing.T) {
	for name, c := range map[string]struct {
		places int
		models []*taking
	}{
		"two alike":             {2, []*taking{{weight: 1, workers: 2, takes: 10 * ms}, {weight: 1, workers: 2, takes: 10 * ms}}},
		"two by weight":         {2, []*taking{{weight: 3, workers: 2, takes: 10 * ms}, {weight: 1, workers: 2, takes: 10 * ms}}},
		"long and short runs":   {2, []*taking{{weight: 1, workers: 2, takes: 200 * ms}, {weight: 1, workers: 2, takes: 5 * ms}}},
		"one place":             {1, []*taking{{weight: 1, workers: 1, takes: 30 * ms}, {weight: 2, workers: 1, takes: 5 * ms}, {weight: 5, workers: 1, takes: 10 * ms}}},
		"a wrong estimate":      {2, []*taking{{weight: 1, workers: 2, takes: 20 * ms, expected: ms}, {weight: 1, workers: 2, takes: 20 * ms, expected: 200 * ms}}},
		"nothing is known":      {2, []*taking{{weight: 2, workers: 2, takes: 20 * ms, expected: 1}, {weight: 1, workers: 2, takes: 20 * ms}}},
		"more places":           {8, []*taking{{weight: 1, workers: 8, takes: 20 * ms}, {weight: 2, workers: 8, takes: 40 * ms}, {weight: 4, workers: 8, takes: 10 * ms}}},
		"small weights":         {2, []*taking{{weight: 0.01, workers: 2, takes: 20 * ms}, {weight: 0.03, workers: 2, takes: 20 * ms}}},
		"one comes later":       {2, []*taking{{weight: 1, workers: 2, takes: 20 * ms}, {weight: 1, workers: 2, takes: 20 * ms, from: time.Minute}}},
		"ten of ten weights":    {2, ten(func(i int) *taking { return &taking{weight: float64(i + 1), workers: 2, takes: 10 * ms} })},
		"ten of other lengths":  {2, ten(func(i int) *taking { return &taking{weight: 1, workers: 2, takes: time.Duration(i+1) * 10 * ms} })},
		"ten with one instance": {4, ten(func(i int) *taking { return &taking{weight: float64(1 + i%2), workers: 1, takes: 10 * ms} })},
	} {
		t.Run(name, func(t *testing.T) {
			const length = 10 * time.Minute
			simulate(t, c.places, c.models, length)
			var weights, all float64
			var longest time.Duration
			from := time.Duration(0)
			for _, m := range c.models {
				weights += m.weight
				longest = max(longest, m.takes*3/2)
				from = max(from, m.from)
			}
			for _, m := range c.models {
				alone := time.Duration(0) // the first has all places until the last comes
				if m.from < from {
					alone = from * time.Duration(c.places)
				}
				all += m.used.Seconds()
				got := (m.used - alone).Seconds() / (length - from).Seconds() / float64(c.places)
				if want := m.weight / weights; math.Abs(got-want) > 0.03*want {
					t.Errorf("weight %v: %.3f of the time, want %.3f", m.weight, got, want)
				}
				// Between two of its runs the others use their shares, and one run each beyond.
				if bound := time.Duration(weights/m.weight*float64(m.takes)*3/2) + longest*time.Duration(len(c.models)); m.longest > bound {
					t.Errorf("weight %v: waited %v, want %v at most", m.weight, m.longest, bound)
				}
			}
			if most := float64(c.places) * length.Seconds(); all < 0.999*most {
				t.Errorf("%.1f s of %.1f were used", all, most)
			}
		})
	}
}

func ten(make func(int) *taking) (all []*taking) {
	for i := range 10 {
		all = append(all, make(i))
	}
	return all
}

// What a model has not used while it was idle it does not get later, and a model that had everything meanwhile owes nothing.
func TestIdleModelsGetNoCredit(t *testing.T) {
	f := fair{free: 1}
	a, b := &flow{weight: 1}, &flow{weight: 1}
	run := func(fl *flow) {
		f.ask(fl, new(place), 10*ms)
		if f.grant() == nil {
			t.Fatal("no place")
		}
		f.free++
	}
	for range 1000 {
		run(a)
	}
	f.free = 0
	for range 20 {
		f.ask(a, &place{kind: 1}, 10*ms)
		f.ask(b, &place{kind: 2}, 10*ms)
	}
	turns, count := "", 0
	for range 20 {
		f.free = 1
		p := f.grant()
		turns += fmt.Sprint(p.kind)
		count += p.kind - 1
	}
	if count < 9 || count > 11 {
		t.Errorf("the one that was idle had %d of 20 turns: %s", count, turns)
	}
}
