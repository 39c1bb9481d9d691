package main

import (
	"slices"
	"testing"
)

func TestWithoutKey(t *testing.T) {
	for _, c := range [][2][]string{
		{{"--api_key=secret", "x"}, {"--api_key=…", "x"}}, {{"x", "--api-key", "secret"}, {"x", "--api-key", "…"}},
		{{"--api_key_file=f", "--api-key"}, {"--api_key_file=f", "--api-key"}},
	} {
		if got := withoutKey(c[0]); !slices.Equal(got, c[1]) {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
