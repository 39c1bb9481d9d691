package serving

import (
	"fmt"
	"slices"
)

// VersionPolicy says which of the versions found should be served.
type VersionPolicy struct {
	Latest   int     // the newest n; used when All is false and Specific is empty; 0 means 1
	All      bool    // every version
	Specific []int64 // just these
}

// String is the policy as people write it: latest 2, all, specific [1 3].
func (p VersionPolicy) String() string {
	switch {
	case p.All:
		return "all"
	case len(p.Specific) > 0:
		return fmt.Sprintf("specific %v", p.Specific)
	}
	return fmt.Sprintf("latest %d", max(p.Latest, 1))
}

// Choose says which of the versions found should be served, newest first. It keeps no state: the same versions give the
// same choice. found is sorted newest first; eligible is asked only about versions that the policy would take, so that
// a directory nobody wants is never opened. A newest version that is not eligible (yet) leaves its place to the next.
func (p VersionPolicy) Choose(found []int64, eligible func(version int64) bool) []int64 {
	limit := max(p.Latest, 1)
	switch {
	case p.All:
		limit = len(found)
	case len(p.Specific) > 0:
		limit = len(found)
		found = slices.DeleteFunc(slices.Clone(found), func(v int64) bool { return !slices.Contains(p.Specific, v) })
	}
	var chosen []int64
	for _, v := range found {
		if len(chosen) == limit {
			break
		}
		if eligible(v) {
			chosen = append(chosen, v)
		}
	}
	return chosen
}

// Absent lists the versions that the policy names and that are not among those found.
func (p VersionPolicy) Absent(found []int64) []int64 {
	if p.All {
		return nil
	}
	var missing []int64
	for _, v := range p.Specific {
		if !slices.Contains(found, v) {
			missing = append(missing, v)
		}
	}
	return missing
}

func (p VersionPolicy) Equal(q VersionPolicy) bool {
	return p.All == q.All && max(p.Latest, 1) == max(q.Latest, 1) && slices.Equal(p.Specific, q.Specific)
}
