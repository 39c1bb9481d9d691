package manager

// phase is what the transition policy needs to know of a version's state.
type phase int

const (
	fresh     phase = iota // may be loaded
	busy                   // loading or unloading
	available              // available
	over                   // ended, or its load was given up
)

// snapshot is one version as the transition policy sees it.
type snapshot struct {
	number  int64
	aspired bool
	phase   phase
}

type action int

const (
	nothing action = iota
	load
	unload
)

// nextAction is the availability-preserving transition policy: what to do next with the versions of one model, and with
// which of them (an index). It keeps no state and is asked again after each action until there is nothing to do.
//
// A version that should go stays until a version that should be served is available, unless none should be. Where one
// number moves to another directory, the old copy stays until the new one is available or has failed, so that requests
// for this number never fail in between. The price is memory for both at once.
func nextAction(versions []snapshot) (action, int) {
	wanted, ready := false, false
	for _, v := range versions {
		wanted = wanted || v.aspired
		ready = ready || v.aspired && v.phase == available
	}
	lowest, highest := -1, -1
	for i, v := range versions {
		switch {
		case !v.aspired && v.phase == available && (!wanted || ready) && !successorOnItsWay(versions, v.number):
			if lowest < 0 || v.number < versions[lowest].number {
				lowest = i
			}
		case v.aspired && v.phase == fresh:
			if highest < 0 || v.number > versions[highest].number {
				highest = i
			}
		}
	}
	switch {
	case lowest >= 0:
		return unload, lowest
	case highest >= 0:
		return load, highest
	}
	return nothing, -1
}

func successorOnItsWay(versions []snapshot, number int64) bool {
	for _, v := range versions {
		if v.aspired && v.number == number && (v.phase == fresh || v.phase == busy) {
			return true
		}
	}
	return false
}
