package batcher

import "time"

// withinObjective answers as many entries as it can within the objective, counted from their arrival. It sheds early the entries
// that cannot be answered in time, so that they cost nothing. It estimates how long batches run (view.speed) and decides by the
// entry at the head, whose deadline is the earliest.
//
// One instance: batches leave as soon as it is idle. The oldest entries are shed until the rest runs in time for the new head.
// Waiting for more rows would waste the only device.
//
// Several instances, under load: a batch waits until its head would be late with one more row, because several devices that each
// take the few rows that have come run many small batches ("deferred batch scheduling", L. Chen and others, Symphony 2023). If
// the head's remaining time is too short for an efficient batch although enough rows wait for one, older entries are shed to
// allow it ("early drop", H. Shen and others, Nexus 2019). Below a third of the capacity batches leave at once.
func withinObjective(objective time.Duration, c *Config) policy {
	return func(v view) decision {
		if v.closing || len(v.speed.line) == 0 {
			return whenIdle(v)
		}
		o := outlook{view: v, objective: objective, config: c, head: v.head, left: v.rows}
		if v.instances == 1 {
			return o.drain()
		}
		return o.deferred()
	}
}

// likely is the margin for shedding: the mean run. A run may be faster than the worst one, and an entry that is shed is lost for
// certain. The other decisions use slower runs, which costs almost nothing.
const likely = 1.0

// outlook is a decision in progress: the head of what would be left after shedding some entries.
type outlook struct {
	view
	objective time.Duration
	config    *Config
	head      *task
	left      int // rows from head on
	shed      int
}

// due is the head's deadline under the objective. binds is false if the entry could not meet it even alone, because it is too large
// or the objective is too short for the model, or if a part of it has run: it is then run in turn.
func (o *outlook) due() (due time.Time, binds bool) {
	t := o.head
	due = t.arrived.Add(o.objective)
	return due, t.taken == 0 && o.speed.latency(o.config.sizeFor(t.rows)) <= o.objective
}

// missed reports whether a batch of that many rows, started now, ends too late for the head if it takes margin times the mean.
func (o *outlook) missed(rows int, margin float64) bool {
	due, binds := o.due()
	took := margin * float64(o.speed.latency(o.config.sizeFor(rows)))
	return binds && o.now.Add(time.Duration(took)).After(due)
}

func (o *outlook) giveUpHead() {
	o.left -= o.head.rows - o.head.taken
	o.head = o.head.next
	o.shed++
}

func (o *outlook) giveUpUntilAllFit() {
	for o.head != nil && o.missed(min(o.left, o.maxRows), likely) {
		o.giveUpHead()
	}
}

func (o *outlook) dispatch(rows int, otherwise Reason) decision {
	d := decision{shed: o.shed, rows: rows, reason: otherwise}
	if rows >= o.maxRows {
		d.reason = ReasonFull
	}
	return d
}

func (o *outlook) drain() decision {
	if o.giveUpUntilAllFit(); o.head == nil {
		return decision{shed: o.shed}
	}
	return o.dispatch(o.economical(min(o.left, o.maxRows)), ReasonIdle)
}

func (o *outlook) deferred() decision {
	for o.head != nil && o.missed(o.head.rows, likely) {
		o.giveUpHead()
	}
	if o.head == nil {
		return decision{shed: o.shed}
	}
	due, binds := o.due()
	if !binds {
		return o.dispatch(o.maxRows, ReasonIdle)
	}
	best := o.best()
	rows := min(o.fit(due), o.left)
	if rows < best && best <= o.left {
		o.slide(best)
		due, _ = o.due()
		rows = min(o.fit(due), o.left)
	}
	capacity := float64(o.instances*best) / o.speed.latency(best).Seconds()
	switch {
	case rows >= o.maxRows, rows < o.left:
	case o.rate < capacity/3:
		return o.dispatch(o.economical(rows), ReasonIdle)
	default:
		last := o.speed.worst() * float64(o.speed.latency(o.config.sizeFor(rows+1)))
		if until := due.Add(-time.Duration(last) - o.late); o.now.Before(until) {
			return decision{shed: o.shed, until: until}
		}
	}
	return o.dispatch(o.economical(rows), ReasonDue)
}

// best returns the efficient batch: the largest for which an entry that just missed a batch is in time with the next one, if both
// are somewhat slower than the mean.
func (o *outlook) best() int {
	within := o.objective * time.Duration(o.instances) / time.Duration(o.instances+1)
	return max(1, o.allowed(o.speed.fit(within, o.maxRows, (likely+o.speed.worst())/2)))
}

// fit returns the largest batch that ends by due with 99 % probability, and at least the head's rows.
func (o *outlook) fit(due time.Time) int {
	return max(o.head.rows, o.allowed(o.speed.fit(due.Sub(o.now), o.maxRows, o.speed.worst())))
}

// slide sheds entries until a batch of best rows ends in time. If that would leave too few rows, it sheds until what is left ends
// in time. Otherwise a queue of entries that are nearly late would stay at any load: each of its batches is small and makes the
// next later.
func (o *outlook) slide(best int) {
	before := *o
	for o.missed(best, o.speed.worst()) {
		o.giveUpHead()
		if o.left < best {
			*o = before
			o.giveUpUntilAllFit()
			return
		}
	}
}

// allowed returns the largest batch of at most that many rows that needs no padding.
func (o *outlook) allowed(rows int) int {
	fitting := rows
	for i, size := range o.config.AllowedBatchSizes {
		if size > rows {
			break
		}
		if fitting = size; i == len(o.config.AllowedBatchSizes)-1 {
			return rows
		}
	}
	return fitting
}

// economical leaves some rows for the next batch if padding to the next allowed size costs more per row than running the next
// smaller size full.
func (o *outlook) economical(rows int) int {
	up, down := o.config.sizeFor(rows), o.allowed(rows)
	if down == rows || down < o.head.rows || down == 0 {
		return rows
	}
	if o.speed.latency(down).Seconds()/float64(down) < o.speed.latency(up).Seconds()/float64(rows) {
		return down
	}
	return rows
}
