package serving

import (
	"strings"
	"testing"
)

func TestRequestIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"":                       false,
		"7f0e-4a1b":              true,
		"a/b+c=~!":               true,
		"two words":              false,
		"line\nbreak":            false,
		"umlaut-ä":               false,
		"\x7f":                   false,
		strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false,
		NewRequestID():           true,
	} {
		if got := ValidRequestID(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
		if got := ValidRequestID([]byte(id)); got != want {
			t.Errorf("the bytes of %q: %v", id, got)
		}
	}
	if first, second := NewRequestID(), NewRequestID(); first == second {
		t.Error("two ids are the same")
	}
}
