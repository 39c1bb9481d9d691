package batcher

import "time"

// fair shares a number of places between flows in proportion to their weights, by the processor time that their runs use. It is
// start-time fair queueing (P. Goyal, H. M. Vin, H. Cheng: Start-time Fair Queueing, SIGCOMM 1996) for several places at once
// (SFQ(D): W. Jin, J. S. Chase, J. Kaur: Interposed Proportional Sharing for a Storage Service Utility, SIGMETRICS 2004).
//
// Each flow has a start tag, the virtual time at which its next run is due. A run advances the tag by its processor time divided
// by the weight: by the estimate when the run begins, corrected to the measured time when it ends. A free place goes to the
// waiting flow with the lowest tag. Virtual time is the highest tag that was served. A flow that had nothing waiting continues at
// virtual time at the earliest, so idle time gives it no credit. No place stays free while a flow waits. No flow waits for ever,
// because the tags of the flows that are served pass its own.
//
// It has no lock and no clock.
type fair struct {
	free    int     // below 0: more places are held than exist now
	now     float64 // virtual time, in seconds
	waiting []*flow // flows with a waiting worker, in no order
	asked   uint64
}

// flow is one participant: a model.
type flow struct {
	weight     float64
	start      float64 // tag of its next run
	head, tail *place  // its workers that wait, in order of arrival
}

// ask puts p at the end of its flow's line. expected is the processor time that the run is expected to use.
func (f *fair) ask(fl *flow, p *place, expected time.Duration) {
	f.asked++
	p.next, p.order, p.charged = nil, f.asked, expected
	if fl.head != nil {
		fl.tail.next = p
		fl.tail = p
		return
	}
	fl.head, fl.tail = p, p
	fl.start = max(fl.start, f.now)
	f.waiting = append(f.waiting, fl)
}

// grant gives a free place to the worker whose turn it is. It returns nil if there is no place or nobody waits.
func (f *fair) grant() *place {
	if f.free <= 0 || len(f.waiting) == 0 {
		return nil
	}
	first := 0
	for i, fl := range f.waiting {
		best := f.waiting[first]
		if fl.start < best.start || fl.start == best.start && fl.head.order < best.head.order {
			first = i
		}
	}
	fl := f.waiting[first]
	p := fl.head
	if fl.head = p.next; fl.head == nil {
		last := len(f.waiting) - 1
		f.waiting[first] = f.waiting[last]
		f.waiting[last] = nil
		f.waiting = f.waiting[:last]
	}
	p.next = nil
	f.free--
	f.now = max(f.now, fl.start)
	fl.charge(p.charged)
	return p
}

// charge advances the flow's tag by processor time that was used. A negative time corrects an estimate that was too high.
func (fl *flow) charge(used time.Duration) { fl.start += used.Seconds() / fl.weight }
