package manager

import "testing"

func TestNextAction(t *testing.T) {
	type vs = []snapshot
	for _, c := range []struct {
		name     string
		versions vs
		want     action
		which    int
	}{
		{"nothing there", nil, nothing, -1},
		{"all is well", vs{{1, true, available}}, nothing, -1},
		{"the newest loads first", vs{{1, true, fresh}, {3, true, fresh}, {2, true, fresh}}, load, 1},
		{"others load while one does", vs{{1, true, fresh}, {3, true, busy}}, load, 0},
		{"the old stays while the new loads", vs{{1, false, available}, {2, true, busy}}, nothing, -1},
		{"the new loads before the old goes", vs{{1, false, available}, {2, true, fresh}}, load, 1},
		{"the old goes when the new serves", vs{{1, false, available}, {2, true, available}}, unload, 0},
		{"the old stays when the new failed", vs{{1, false, available}, {2, true, over}}, nothing, -1},
		{"several old ones stay too", vs{{1, false, available}, {2, false, available}, {3, true, busy}}, nothing, -1},
		{"the oldest goes first", vs{{2, false, available}, {1, false, available}, {3, true, available}}, unload, 1},
		{"all go when none is wanted", vs{{1, false, available}, {2, false, available}}, unload, 0},
		{"unloading comes before loading", vs{{1, false, available}, {3, true, available}, {2, true, fresh}}, unload, 0},
		{"what is ended stays so", vs{{1, false, over}, {2, true, over}}, nothing, -1},
		{"what is unwanted is not loaded", vs{{1, false, fresh}}, nothing, -1},
		{"a number that moves stays until its new copy serves",
			vs{{1, false, available}, {1, true, busy}, {2, true, available}}, nothing, -1},
		{"and goes then", vs{{1, false, available}, {1, true, available}, {2, true, busy}}, unload, 0},
		{"or when the new copy failed", vs{{1, false, available}, {1, true, over}, {2, true, available}}, unload, 0},
	} {
		if what, which := nextAction(c.versions); what != c.want || which != c.which {
			t.Errorf("%s: action %d on %d, want %d on %d", c.name, what, which, c.want, c.which)
		}
	}
}

// Whatever the start, the policy comes to rest, and never takes the last available version from a model that is wanted.
func TestNextActionEndsAndPreservesAvailability(t *testing.T) {
	phases := []phase{fresh, busy, available, over}
	for code := range 8 * 8 * 8 {
		var vs []snapshot
		for i, c := 0, code; i < 3; i, c = i+1, c/8 {
			vs = append(vs, snapshot{number: int64(i + 1), aspired: c%2 == 1, phase: phases[c/2%4]})
		}
		served := func() (any, wanted bool) {
			for _, v := range vs {
				any, wanted = any || v.phase == available, wanted || v.aspired
			}
			return any, wanted
		}
		had, wanted := served()
		for step := 0; ; step++ {
			what, i := nextAction(vs)
			if what == nothing {
				break
			}
			if what == unload && vs[i].aspired || what == load && !vs[i].aspired || step > len(vs) {
				t.Fatalf("case %d, step %d: action %d on %+v of %+v", code, step, what, vs[i], vs)
			}
			vs[i].phase = busy
		}
		if has, _ := served(); had && wanted && !has {
			t.Errorf("case %d left nothing served: %+v", code, vs)
		}
	}
}
