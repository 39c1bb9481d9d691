package batcher

import "time"

// reserve withholds one place from long runs while brief runs keep more than a tenth of a core busy. The kernel lets a long run
// finish its time slice before a thread that wakes. So with long runs on all cores, each step of a brief request waits for
// milliseconds. With one core free of long runs, brief requests get nearly their full throughput, and long runs their fair share.
// Limiter.mu guards it.
type reserve struct {
	possible bool // there is more than one place
	withheld bool
	runs     int           // brief ones since began
	used     time.Duration // by them
	began    time.Time
}

const (
	// reserveWindow is how many brief runs are counted for one decision.
	reserveWindow = 64
	// briefHandling is the approximate cost of a request besides its brief run: reading, decoding, encoding, writing.
	briefHandling = 30 * time.Microsecond
	// withholdAbove and releaseBelow are parts of one core that brief requests keep busy.
	withholdAbove, releaseBelow = 0.1, 0.05
)

// ended counts a run that has ended, and returns by how much the places of long runs change.
func (r *reserve) ended(kind int, used time.Duration) (change int) {
	if !r.possible {
		return 0
	}
	if kind == briefRun {
		r.runs++
		r.used += used
		if r.runs < reserveWindow {
			return 0
		}
	} else if !r.withheld {
		return 0
	}
	now := time.Now()
	load := (r.used + time.Duration(r.runs)*briefHandling).Seconds() / max(now.Sub(r.began).Seconds(), 1e-9)
	switch {
	case r.runs >= reserveWindow:
		r.runs, r.used, r.began = 0, 0, now
	case load >= releaseBelow || now.Sub(r.began).Seconds() < reserveWindow*briefHandling.Seconds()/releaseBelow:
		return 0 // the window is not over
	}
	switch {
	case !r.withheld && load > withholdAbove:
		r.withheld = true
		return -1
	case r.withheld && load < releaseBelow:
		r.withheld = false
		return 1
	}
	return 0
}
