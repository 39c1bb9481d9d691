package manager

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// looksAtOnce bounds the looks under way.
	looksAtOnce = 16
	// hungAfter is how long a look is waited for. Nothing can end the reading of a mount that has gone, but it must not keep
	// other models from being looked for: its base path counts as one that cannot be read, and its place is another's.
	hungAfter = 10 * time.Second
)

// watcher looks for versions: at once, every PollWait exactly, when the configuration changes, and soon again where a version is
// being copied in. Each base path is looked under by a goroutine of its own, once at a time. All but those looks belongs to one
// goroutine, watch.
type watcher struct {
	m       *Manager
	lookers map[target]*looker
	waiting []*looker // for a place, in their order
	running int       // looks under way that are not known to hang
	ended   chan *looker
	left    chan struct{} // closed when nobody receives from ended any more

	next time.Time   // when the next regular look is due
	tick *time.Timer // for it
	soon *time.Timer // for the versions being copied
	late *time.Timer // for the looks that take long
	// armed says that these two run.
	soonArmed, lateArmed bool
}

// looker looks for the versions of one model under one base path.
type looker struct {
	target
	state   lookerState
	again   bool // the configuration changed while it was looking
	pending bool // its last look found a version that is being copied
	began   time.Time

	// Of the look under way: its goroutine's until it is sent to ended.
	plan  plan
	marks arrivals
	found finding
}

type lookerState int

const (
	idle lookerState = iota
	waiting
	looking
	hung
)

func (m *Manager) watch() {
	w := &watcher{
		m: m, lookers: make(map[target]*looker), ended: make(chan *looker), left: make(chan struct{}),
		next: time.Now(), tick: time.NewTimer(0), soon: time.NewTimer(time.Hour), late: time.NewTimer(time.Hour),
	}
	w.soon.Stop()
	w.late.Stop()
	defer close(w.left)
	for {
		select {
		case <-m.ctx.Done():
			w.leave()
			return
		case <-m.lookup:
			w.askAll(true)
		case <-w.tick.C:
			w.askAll(false)
			w.setTick()
		case <-w.soon.C:
			w.askPending()
		case <-w.late.C:
			w.giveUp()
		case l := <-w.ended:
			w.end(l)
		}
		w.start()
	}
}

// leave waits for the looks under way but for those that hang.
func (w *watcher) leave() {
	w.tick.Stop()
	w.soon.Stop()
	for w.running > 0 {
		select {
		case l := <-w.ended:
			w.end(l)
		case <-w.late.C:
			w.giveUp()
		}
	}
	w.late.Stop()
}

// setTick sets the time of the next regular look: a look that took long delays none of them.
func (w *watcher) setTick() {
	every, now := w.m.opts.PollWait, time.Now()
	if every <= 0 {
		return
	}
	for !w.next.After(now) {
		w.next = w.next.Add(max(every, now.Sub(w.next).Truncate(every)))
	}
	w.tick.Reset(w.next.Sub(now))
}

// askAll asks for a look under every base path, and forgets those that are none any more. again: what is found by looks under way is
// not enough.
func (w *watcher) askAll(again bool) {
	current := make(map[target]bool)
	for _, t := range w.m.targets() {
		current[t] = true
		l := w.lookers[t]
		if l == nil {
			l = &looker{target: t}
			w.lookers[t] = l
		}
		w.ask(l)
		l.again = l.again || again && l.state != waiting
	}
	for t, l := range w.lookers {
		if !current[t] && (l.state == idle || l.state == hung) {
			delete(w.lookers, t)
		}
	}
}

func (w *watcher) askPending() {
	w.soonArmed = false
	for _, l := range w.lookers {
		if l.pending {
			w.ask(l)
		}
	}
}

func (w *watcher) ask(l *looker) {
	if l.state == idle {
		l.state = waiting
		w.waiting = append(w.waiting, l)
	}
}

// start starts the looks that there is room for.
func (w *watcher) start() {
	for len(w.waiting) > 0 && w.running < looksAtOnce && w.m.ctx.Err() == nil {
		l := w.waiting[0]
		w.waiting = w.waiting[1:]
		p, ok := w.m.plan(l.target)
		if !ok {
			l.state = idle
			continue
		}
		l.state, l.plan, l.pending, l.again, l.began = looking, p, false, false, time.Now()
		w.running++
		if !w.lateArmed {
			w.late.Reset(hungAfter)
			w.lateArmed = true
		}
		go func() {
			l.marks.begin()
			l.found = w.m.find(l.plan, &l.marks)
			l.marks.end()
			select {
			case w.ended <- l:
			case <-w.left:
			}
		}()
	}
}

// end applies what a look has found.
func (w *watcher) end(l *looker) {
	if l.state == looking {
		w.running--
	}
	l.state = idle
	l.pending = l.found.pending != ""
	w.m.found(l.plan, l.found)
	switch {
	case l.again:
		w.ask(l)
	case l.pending && !w.soonArmed && (w.m.opts.PollWait == 0 || time.Until(w.next) > settleTime):
		w.soon.Reset(settleTime)
		w.soonArmed = true
	}
}

// giveUp no longer waits for the looks that take too long. What they find in the end is applied all the same.
func (w *watcher) giveUp() {
	w.lateArmed = false
	now := time.Now()
	var oldest time.Time
	for _, l := range w.lookers {
		switch {
		case l.state != looking:
		case now.Sub(l.began) >= hungAfter:
			l.state = hung
			w.running--
			w.m.found(l.plan, finding{problem: status.Errorf(codes.Unavailable, "base path %s does not answer: it is being read for %v already", l.basePath, hungAfter)})
		case oldest.IsZero() || l.began.Before(oldest):
			oldest = l.began
		}
	}
	if !oldest.IsZero() {
		w.late.Reset(oldest.Add(hungAfter).Sub(now))
		w.lateArmed = true
	}
}
