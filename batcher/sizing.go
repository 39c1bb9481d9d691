package batcher

import (
	"log/slog"
	"time"
)

// sizing finds the largest batch from the runs of live batches, where the configuration leaves it open: the smallest size that gets
// nearly as much done per second as the best one. It goes by processor time, which other things on the machine hardly change. It begins
// small and doubles the size while that pays; from then on, twice and half the size are tried by turns, and what was not seen for long
// is forgotten, so that no moment decides for the life of a version. Batcher.mu guards it.
//
// Other shapes take other times, so only the runs of one queue count: the one that most batches come from (the majority vote of
// R. Boyer and J. Moore, 1981).
type sizing struct {
	cfg   *Config
	seen  [sizes]sized
	queue *queue // whose runs count
	votes int
	runs  int   // observed
	trial trial // of another size
}

// sized is what is known of batches of (2^(i-1), 2^i] rows.
type sized struct {
	rows, took float64 // moving averages; took in seconds
	runs       int
	last       int // sizing.runs when one was seen
}

// trial is a few batches of another size.
type trial struct {
	left   int // batches; 0: there is none
	from   int // the size before
	halves bool
}

const (
	sizes       = 10 // up to 512 rows
	largestSize = 1 << (sizes - 1)
	// smallestSize is allowed even where one row gets as much done: else no batch would show when that has changed.
	smallestSize = 2
	// openingSize is where nothing is known.
	openingSize = 4

	// enough is the part of the best throughput that is good enough: among the sizes that reach it, the smallest answers soonest.
	enough = 0.92
	// efficient is the part of the best throughput at which a batch need not look out for more rows before it runs.
	efficient = 0.7

	// handling is about what a batch costs besides its run: waking an instance, forming the batch, handing out the answers.
	handling = 50e-6
	// slowRun is the run, in seconds, from which on no larger size is tried.
	slowRun = 0.25

	knownAfter  = 4    // runs of a size
	trialLength = 32   // batches, at most
	trialEvery  = 1024 // batches
	forgotten   = 4 * trialEvery
)

// init begins with what is known: runs of the same model before, or of a few rows of it.
func (s *sizing) init(cfg *Config) {
	s.cfg = cfg
	for _, m := range cfg.Measured {
		s.seen[s.class(m.Rows)] = sized{rows: float64(m.Rows), took: m.Took.Seconds(), runs: knownAfter}
	}
	cfg.MaxExecutionBatchSize = openingSize
	s.set(s.best())
}

func (s *sizing) class(rows int) int { return min(sizeClass(rows), sizes-1) }

// known says whether the runs of a size count.
func (s *sizing) known(i int) bool { return s.seen[i].runs >= knownAfter }

// best is the size that the runs seen speak for, and from which size on a batch need not look out for more.
func (s *sizing) best() (size, efficientRows int) {
	throughput := func(i int) float64 { return s.seen[i].rows / (s.seen[i].took + handling) }
	top, most := 0, 0.0
	for i := range s.seen {
		if s.known(i) {
			top, most = i, max(most, throughput(i))
		}
	}
	reaches := func(part float64) int {
		for i := range s.seen {
			if s.known(i) && throughput(i) >= part*most {
				return i
			}
		}
		return top
	}
	size = 1 << reaches(enough)
	switch current := s.cfg.MaxExecutionBatchSize; {
	case size < 1<<top:
	case size < current:
		size = current // nothing that large has run yet
	case s.known(top) && s.seen[top].took <= slowRun:
		size *= 2 // it still pays
	}
	return min(max(size, smallestSize), largestSize), 1 << reaches(efficient)
}

// set makes this the size of batches. It reports whether that is another one.
func (s *sizing) set(size, efficientRows int) bool {
	c := s.cfg
	news := size != c.MaxExecutionBatchSize
	c.MaxBatchSize, c.MaxExecutionBatchSize = size, size
	c.EfficientRows = min(efficientRows, size)
	c.MaxEnqueuedBatches = max(1, c.MaxQueuedRows/size)
	return news
}

// observe takes a run in, of a batch of the queue, and reports whether the size has changed.
func (s *sizing) observe(q *queue, rows int, took time.Duration) bool {
	switch {
	case q == s.queue:
		s.votes = min(s.votes+1, trialLength)
	case s.votes > 0:
		s.votes--
		return false
	default:
		if s.queue != nil {
			clear(s.seen[:])
		}
		s.queue, s.votes = q, 1
	}
	s.runs++
	p := &s.seen[s.class(rows)]
	p.observe(float64(rows), took.Seconds())
	p.last = s.runs
	return s.next()
}

// observe takes a run in. The first run of a size prepares kernels, so of the first few the fastest counts; later a run that was
// disturbed counts little.
func (p *sized) observe(rows, took float64) {
	switch {
	case p.runs == 0 || p.runs < knownAfter && took/rows < p.took/p.rows:
		p.rows, p.took = rows, took
	case p.runs >= knownAfter:
		p.rows += (rows - p.rows) / 16
		p.took += (min(took, 2*p.took) - p.took) / 16
	}
	p.runs++
}

// next decides what the next batch's size is, and reports whether it is another one.
func (s *sizing) next() bool {
	size := s.cfg.MaxExecutionBatchSize
	switch {
	case s.trial.left > 1 && !s.known(s.class(size)):
		s.trial.left--
		return false
	case s.trial.left > 0: // the trial is over, or nothing of that size came
		s.trial.left = 0
		s.set(s.trial.from, s.cfg.EfficientRows)
		s.set(s.best())
		return s.cfg.MaxExecutionBatchSize != size
	case s.runs%trialEvery == 0:
		return s.try(size)
	case s.runs%knownAfter == 0:
		return s.set(s.best())
	}
	return false
}

// try begins a trial with twice the size, or with half of it.
func (s *sizing) try(size int) bool {
	for i := range s.seen {
		if s.runs-s.seen[i].last > forgotten {
			s.seen[i] = sized{}
		}
	}
	other := 2 * size
	if s.trial.halves = !s.trial.halves; s.trial.halves {
		other = size / 2
	}
	if other < smallestSize || other > largestSize || other > size && s.seen[s.class(size)].took > slowRun {
		return false
	}
	s.seen[s.class(other)].runs = 0
	s.trial.left, s.trial.from = trialLength, size
	return s.set(other, s.cfg.EfficientRows)
}

// timings are what is known, for another version of the model.
func (s *sizing) timings() (list []Timing) {
	for i, p := range s.seen {
		if s.known(i) {
			list = append(list, Timing{int(p.rows + 0.5), time.Duration(p.took * 1e9)})
		}
	}
	return list
}

// resize takes a run into the sizing, and has the queues counted again where the size changes. Called with mu held.
func (b *Batcher) resize(q *queue, rows int, took time.Duration) {
	if before := b.cfg.MaxExecutionBatchSize; b.sizing.observe(q, rows, took) {
		b.backlog.recountAll()
		b.log.Debug("the largest batch has changed", slog.Int("from", before), slog.Int("to", b.cfg.MaxExecutionBatchSize), slog.Int("efficient_rows", b.cfg.EfficientRows))
	}
}

// Timings are the runs that the largest batch was found by, of ascending sizes, in processor time where that is known. They serve as
// Config.Measured of another version. nil where the configuration sets the size.
func (b *Batcher) Timings() []Timing {
	if !b.cfg.FindBatchSize {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sizing.timings()
}
