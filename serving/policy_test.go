package serving

import (
	"slices"
	"testing"
)

func TestPolicyChooses(t *testing.T) {
	all := func(int64) bool { return true }
	not := func(bad ...int64) func(int64) bool { return func(v int64) bool { return !slices.Contains(bad, v) } }
	for _, c := range []struct {
		name     string
		policy   VersionPolicy
		found    []int64
		eligible func(int64) bool
		want     []int64
	}{
		{"nothing found", VersionPolicy{}, nil, all, nil},
		{"the newest by default", VersionPolicy{}, []int64{9, 7, 1}, all, []int64{9}},
		{"the newest two", VersionPolicy{Latest: 2}, []int64{9, 7, 1}, all, []int64{9, 7}},
		{"fewer than asked for", VersionPolicy{Latest: 5}, []int64{9, 7}, all, []int64{9, 7}},
		{"a newest one still being copied leaves its place", VersionPolicy{Latest: 2}, []int64{9, 7, 1}, not(9), []int64{7, 1}},
		{"all", VersionPolicy{All: true}, []int64{9, 7, 1}, all, []int64{9, 7, 1}},
		{"all that are complete", VersionPolicy{All: true}, []int64{9, 7, 1}, not(7), []int64{9, 1}},
		{"specific", VersionPolicy{Specific: []int64{1, 9, 4}}, []int64{9, 7, 1}, all, []int64{9, 1}},
		{"specific, none there", VersionPolicy{Specific: []int64{4}}, []int64{9, 7}, all, nil},
		{"specific and incomplete", VersionPolicy{Specific: []int64{1, 9}}, []int64{9, 7, 1}, not(1), []int64{9}},
	} {
		before := slices.Clone(c.found)
		if got := c.policy.Choose(c.found, c.eligible); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if !slices.Equal(before, c.found) {
			t.Errorf("%s: the versions found were changed", c.name)
		}
	}
}

func TestPolicyAsksOnlyAboutWhatItWants(t *testing.T) {
	for _, c := range []struct {
		policy VersionPolicy
		want   []int64
	}{
		{VersionPolicy{Latest: 2}, []int64{9, 8}},
		{VersionPolicy{Specific: []int64{5}}, []int64{5}},
		{VersionPolicy{All: true}, []int64{9, 8, 5, 1}},
	} {
		var asked []int64
		c.policy.Choose([]int64{9, 8, 5, 1}, func(v int64) bool { asked = append(asked, v); return true })
		if !slices.Equal(asked, c.want) {
			t.Errorf("%v asked about %v, want %v", c.policy, asked, c.want)
		}
	}
}

func TestPolicyNamesWhatIsAbsent(t *testing.T) {
	if got := (VersionPolicy{Specific: []int64{1, 4, 9}}).Absent([]int64{9, 7, 1}); !slices.Equal(got, []int64{4}) {
		t.Errorf("absent: %v", got)
	}
	if got := (VersionPolicy{Latest: 3}).Absent(nil); got != nil {
		t.Errorf("absent of latest: %v", got)
	}
}

func TestPolicyStrings(t *testing.T) {
	for want, p := range map[string]VersionPolicy{
		"latest 1": {}, "latest 3": {Latest: 3}, "all": {All: true}, "specific [1 3]": {Specific: []int64{1, 3}},
	} {
		if p.String() != want {
			t.Errorf("%q, want %q", p, want)
		}
	}
}
