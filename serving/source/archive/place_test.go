package archive

import (
	"testing"
	"time"
)

func TestAChangeIsToldWhenTheArchiveRests(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	type look struct {
		at      int
		key     string
		changed int
		want    string
	}
	for _, c := range []struct {
		name    string
		serving bool
		looks   []look
	}{
		{"a first copy is told as it grows", false, []look{{0, "a", 0, "a"}, {100, "b", 100, "b"}, {200, "c", 200, "c"}}},
		{"a change is told when it is seen again", true, []look{{0, "a", -10000, "a"}, {1000, "b", 900, "a"}, {1500, "b", 900, "a"}, {2000, "b", 900, "b"}}},
		{"an archive that grows is not", true, []look{{0, "a", -10000, "a"}, {1000, "b", 1000, "a"}, {2000, "c", 2000, "a"}, {3000, "d", 3000, "a"}, {4000, "d", 3000, "d"}}},
		{"a change of long ago is told at once", true, []look{{0, "a", -10000, "a"}, {30000, "b", 20000, "b"}}},
		{"a change that is taken back is none", true, []look{{0, "a", -10000, "a"}, {1000, "b", 1000, "a"}, {2000, "a", -10000, "a"}, {2100, "b", 2100, "a"}}},
		{"a clock that is ahead", true, []look{{0, "a", -10000, "a"}, {1000, "b", 60000, "a"}, {2000, "b", 60000, "b"}}},
	} {
		p := &place{told: state{key: "a", changed: at(-10000)}, serving: c.serving}
		for _, l := range c.looks {
			if got := p.tell(state{key: l.key, changed: at(l.changed)}, at(l.at)); got != l.want {
				t.Errorf("%s: at %d ms %s, want %s", c.name, l.at, got, l.want)
			}
		}
	}
	p := &place{}
	p.tell(state{key: "a", changed: start}, start)
	if got := p.changedAt("a"); !got.Equal(start) {
		t.Errorf("changed at %v", got)
	}
	p.fetched()
	if got := p.changedAt("a"); !got.IsZero() {
		t.Errorf("changed at %v, though it rests", got)
	}
}
