package batcher

import (
	"log/slog"
	"time"
)

// sizing finds the largest batch from the runs of live batches, if the configuration does not set it: the smallest size that
// reaches 92 % of the best throughput. It compares processor time, which other load on the machine hardly changes. It begins with
// a small size and doubles it while that pays. Afterwards it tries twice and half the size in turn, and forgets sizes that it has
// not seen for long. So no single moment decides for the life of a version. Batcher.mu guards it.
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

// sized is what is known about batches of (2^(i-1), 2^i] rows.
type sized struct {
	rows, took float64 // moving averages; took in seconds
	runs       int
	last       int // sizing.runs at the last one
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
	// smallestSize is allowed even if single rows have the same throughput. Otherwise no batch would show when that has changed.
	smallestSize = 2
	// openingSize is the size while nothing is known.
	openingSize = 4

	// enough is the part of the best throughput that a size must reach. Of the sizes that reach it, the smallest has the lowest
	// latency.
	enough = 0.92
	// efficient is the part of the best throughput from which a worker does not linger for more rows.
	efficient = 0.7

	// handling is the approximate cost, in seconds, of a batch besides its run: waking an instance, forming the batch, delivering
	// answers.
	handling = 50e-6
	// slowRun is the run, in seconds, from which no larger size is tried.
	slowRun = 0.25

	knownAfter  = 4    // runs of a size
	trialLength = 32   // batches, at most
	trialEvery  = 1024 // batches
	forgotten   = 4 * trialEvery
)

// init begins with the runs that are known, of an earlier version of the model or of a few rows.
func (s *sizing) init(cfg *Config) {
	s.cfg = cfg
	for _, m := range cfg.Measured {
		s.seen[s.class(m.Rows)] = sized{rows: float64(m.Rows), took: m.Took.Seconds(), runs: knownAfter}
	}
	cfg.MaxExecutionBatchSize = openingSize
	s.set(s.best())
}

func (s *sizing) class(rows int) int { return min(sizeClass(rows), sizes-1) }

// known reports whether there are enough runs of a size for them to count.
func (s *sizing) known(i int) bool { return s.seen[i].runs >= knownAfter }

// best returns the best size by the runs seen, and the size from which a worker does not linger for more rows.
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

// set makes this the size of batches, and reports whether the size has changed.
func (s *sizing) set(size, efficientRows int) bool {
	c := s.cfg
	news := size != c.MaxExecutionBatchSize
	c.MaxBatchSize, c.MaxExecutionBatchSize = size, size
	c.EfficientRows = min(efficientRows, size)
	c.MaxEnqueuedBatches = max(1, c.MaxQueuedRows/size)
	return news
}

// observe adds a run of a batch from the queue, and reports whether the size has changed.
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

// observe adds a run. The first run of a size prepares kernels, so the fastest of the first few counts. Later, a run that was
// disturbed has little weight.
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

// next decides the size of the next batch, and reports whether it has changed.
func (s *sizing) next() bool {
	size := s.cfg.MaxExecutionBatchSize
	switch {
	case s.trial.left > 1 && !s.known(s.class(size)):
		s.trial.left--
		return false
	case s.trial.left > 0: // the trial is over, or no batch of that size came
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

// try begins a trial with twice or half the size, in turn, and reports whether the size has changed.
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

// timings returns the runs that are known, for another version of the model.
func (s *sizing) timings() (list []Timing) {
	for i, p := range s.seen {
		if s.known(i) {
			list = append(list, Timing{int(p.rows + 0.5), time.Duration(p.took * 1e9)})
		}
	}
	return list
}

// resize adds a run to the sizing. If the size changes, the queues are counted again. Called with mu held.
func (b *Batcher) resize(q *queue, rows int, took time.Duration) {
	if before := b.cfg.MaxExecutionBatchSize; b.sizing.observe(q, rows, took) {
		b.backlog.recountAll()
		b.log.Debug("the largest batch has changed", slog.Int("from", before), slog.Int("to", b.cfg.MaxExecutionBatchSize), slog.Int("efficient_rows", b.cfg.EfficientRows))
	}
}

// Timings returns the runs by which the largest batch was found, in ascending order of size, in processor time if that is known.
// They can be Config.Measured of another version. Timings returns nil if the configuration sets the size.
func (b *Batcher) Timings() []Timing {
	if !b.cfg.FindBatchSize {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sizing.timings()
}
