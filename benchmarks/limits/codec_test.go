package limits

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

func BenchmarkDecode(b *testing.B) { run(b, NewSample().Decoders()) }

func BenchmarkEncode(b *testing.B) { run(b, NewSample().Encoders()) }

func run(b *testing.B, all map[string]func() error) {
	bytes := int64(len(NewSample().Body))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(bytes)
			b.ReportAllocs()
			for b.Loop() {
				if err := all[name](); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(Rows*Columns), "ns/value")
		})
	}
}

// TestAllRun: what is compared does its work on the same bytes.
func TestAllRun(t *testing.T) {
	s := NewSample()
	for _, all := range []map[string]func() error{s.Decoders(), s.Encoders()} {
		for name, f := range all {
			if err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	from, to, err := s.Chars(filepath.Join("testdata", "chars.cc"))
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil || from <= 0 || to <= 0 {
		t.Errorf("C++: %v, %v ns a value, %v", from, to, err)
	}
}
