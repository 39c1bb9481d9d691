package batcher

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// MaxPriorityLevels bounds Priorities.Levels.
const MaxPriorityLevels = 16

// agedTurn says how often the entry that has waited longest goes first, whatever its level: with every such batch. No level
// starves, and the others lose a bounded share of the runs.
const agedTurn = 8

// Priorities divides entries into levels, 1 being the highest. The words and their meaning are those of Triton's
// ModelDynamicBatching. A batch takes entries of higher levels first, and fills up with those of lower ones. If a bound on what
// waits is reached, an entry takes the place of the newest one of the lowest level below its own. The zero value has one level.
type Priorities struct {
	Levels        int           // 0 or 1: the priorities of entries have no effect
	Default       int           // of entries that name none, or one that does not exist; 0: Levels
	DefaultPolicy QueuePolicy   // of levels that are not in Policies
	Policies      []QueuePolicy // of level 1, 2, …; nil elements: DefaultPolicy
}

// QueuePolicy bounds the waiting of one level's entries.
type QueuePolicy struct {
	MaxEntries int           // that wait at once; 0: not bounded by level
	Timeout    time.Duration // how long an entry waits before its first row is run; then it is rejected. 0: no bound
	// NoOverride keeps entries from bringing a shorter Timeout of their own (Entry.QueueTimeout).
	NoOverride bool
}

// class is the level's index: 0 is the highest.
func (p *Priorities) class(priority uint64) int {
	switch {
	case p.Levels < 2:
		return 0
	case priority >= 1 && priority <= uint64(p.Levels):
		return int(priority) - 1
	case p.Default > 0:
		return p.Default - 1
	}
	return p.Levels - 1
}

// policy is that of a class.
func (p *Priorities) policy(class int) QueuePolicy {
	if class < len(p.Policies) {
		return p.Policies[class]
	}
	return p.DefaultPolicy
}

// queueTimeout is how long an entry of the class may wait, with the timeout it brings; 0: there is no bound.
func (p *Priorities) queueTimeout(class int, own time.Duration) time.Duration {
	policy := p.policy(class)
	if own > 0 && !policy.NoOverride && (policy.Timeout == 0 || own < policy.Timeout) {
		return own
	}
	return policy.Timeout
}

func (p *Priorities) faults(fault func(format string, args ...any)) {
	if p.Levels < 0 || p.Levels > MaxPriorityLevels {
		fault("priority_levels must be from 0 to %d; was %d", MaxPriorityLevels, p.Levels)
	}
	if p.Default < 0 || p.Default > max(p.Levels, 0) {
		fault("default_priority_level must be from 1 to priority_levels; was %d, priority_levels is %d", p.Default, p.Levels)
	}
	if len(p.Policies) > max(p.Levels, 0) {
		fault("priority_queue_policy names level %d, and priority_levels is %d", len(p.Policies), p.Levels)
	}
}

var errQueueTimeout = status.Error(codes.Unavailable,
	"the request waited in the batching queue for as long as its queue policy allows (default_timeout_microseconds), or its own timeout; it was not run")

// levels counts what waits, by class. It is empty if there is one level.
type levels struct {
	rows    []int
	entries []int
	turn    int // of batches, for agedTurn
}

func (l *levels) init(p *Priorities) {
	if p.Levels > 1 {
		l.rows, l.entries = make([]int, p.Levels), make([]int, p.Levels)
	}
}

func (l *levels) many() bool { return l.rows != nil }

// below is how many rows of lower classes wait.
func (l *levels) below(class int) (rows int) {
	if l.many() {
		for _, n := range l.rows[class+1:] {
			rows += n
		}
	}
	return rows
}

// aged reports whether the next batch begins with the entry that has waited longest. Under a latency objective the oldest entry
// is no better: it is shed when its time is up.
func (bl *backlog) aged() bool {
	return bl.levels.many() && bl.cfg.Objective == 0 && bl.levels.turn%agedTurn == agedTurn-1
}

// first is the task that a batch from this queue begins with.
func (bl *backlog) first(q *queue) *task {
	if bl.aged() {
		return q.oldest()
	}
	return q.head
}

// goesBefore reports whether a batch that begins with t is due before one that begins with u.
func (bl *backlog) goesBefore(t, u *task) bool {
	if t.class != u.class && !bl.aged() {
		return t.class < u.class
	}
	return t.order < u.order
}

// evict rejects the newest entry of the lowest class below the given one, and reports whether there was one. An entry that has
// partly run stays. q is the queue to look at; nil: all.
func (bl *backlog) evict(class int, q *queue) bool {
	t := bl.evictable(class, q)
	if t == nil {
		return false
	}
	bl.end(t, bl.noRoom("a request of a higher priority took this one's place"))
	return true
}

func (bl *backlog) evictable(class int, q *queue) (victim *task) {
	if !bl.levels.many() {
		return nil
	}
	look := func(q *queue) {
		t := q.tail
		if t == nil || t.class <= class || t.taken > 0 {
			return
		}
		if victim == nil || t.class > victim.class || t.class == victim.class && t.order > victim.order {
			victim = t
		}
	}
	if q != nil {
		look(q)
		return victim
	}
	for _, q := range bl.active {
		look(q)
	}
	return victim
}

// fullOf is the bound of the task's own level, if it is reached.
func (bl *backlog) fullOf(class int) error {
	most := bl.cfg.Priorities.policy(class).MaxEntries
	if most == 0 || bl.levelEntries(class) < most {
		return nil
	}
	return bl.noRoom(fmt.Sprintf("%d requests of priority level %d are waiting and its max_queue_size is %d", most, class+1, most))
}

func (bl *backlog) levelEntries(class int) int {
	if bl.levels.many() {
		return bl.levels.entries[class]
	}
	return bl.entries
}

// after is the task behind which one of this class is queued; nil: none, it becomes the head.
func (q *queue) after(class int) *task {
	if q.last == nil {
		return q.tail
	}
	for c := class; c >= 0; c-- {
		if t := q.last[c]; t != nil {
			return t
		}
	}
	return nil
}

// oldest is the task that has waited longest; the queue is not empty.
func (q *queue) oldest() *task {
	oldest, order := q.head, uint64(math.MaxUint64)
	next := q.head
	for _, last := range q.last {
		if last == nil {
			continue
		}
		if next.order < order {
			oldest, order = next, next.order
		}
		next = last.next
	}
	return oldest
}
