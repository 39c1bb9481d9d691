package manager

import (
	"time"

	"google.golang.org/grpc/status"

	"shoal/serving/source"
)

// When a directory counts as completely copied.
const (
	// untouched for so long, a complete version is taken at the first look: start-up is not delayed.
	quietTime = 3 * time.Second
	// a complete version that changed lately is taken when a second look, so much later, finds it the same.
	settleTime = 250 * time.Millisecond
	// a version that lacks files is waited for until nothing changed for so long. Then one without saved_model.pb is
	// reported, and one that lacks variables is given to the loader: an empty directory of variables is right for a
	// model that has none, and of anything else the loader says what is wrong.
	patience = 10 * time.Second
)

// verdict is what one look at a version's directory says.
type verdict struct {
	eligible bool
	pending  bool   // worth another look soon
	reason   string // why it is not eligible
}

// arrivals remembers, between looks, the directories that are not known to be complete. Not for concurrent use.
type arrivals struct {
	seen map[string]sighting
	now  map[string]sighting
}

type sighting struct {
	fingerprint uint64
	since       time.Time
}

// begin starts a look; end forgets the directories that the look did not ask about.
func (a *arrivals) begin() { a.now = make(map[string]sighting) }
func (a *arrivals) end()   { a.seen, a.now = a.now, nil }

// judge says whether the version in dir, holding c at this moment, may be loaded.
func (a *arrivals) judge(dir string, c source.Contents, moment time.Time) verdict {
	s, known := a.seen[dir]
	if !known || s.fingerprint != c.Fingerprint {
		s = sighting{fingerprint: c.Fingerprint, since: moment}
	}
	a.now[dir] = s
	same := moment.Sub(s.since)
	quiet := max(moment.Sub(c.Changed), same)
	switch {
	case !c.HasModel:
		if quiet >= patience {
			return verdict{reason: c.Missing + " is missing"}
		}
		return verdict{pending: true, reason: "waiting for " + c.Missing}
	case c.Missing != "":
		if quiet >= patience {
			return verdict{eligible: true}
		}
		return verdict{pending: true, reason: "waiting for " + c.Missing}
	case quiet >= quietTime || same >= settleTime:
		return verdict{eligible: true}
	}
	return verdict{pending: true, reason: "its files changed just now"}
}

// missed notes a look that failed: the directory is being changed, or its place does not answer.
func (a *arrivals) missed(dir string, err error) verdict {
	delete(a.now, dir)
	return verdict{pending: true, reason: status.Convert(err).Message()}
}
