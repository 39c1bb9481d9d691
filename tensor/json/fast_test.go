package json

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"shoal/tensor"
)

// lists writes nested lists of numbers with these dimensions. The innermost list of the number odd has one element more, if more is
// 1, or less.
func lists(dims []int, separator string, odd, more int) string {
	count := 0
	var write func(level int) string
	write = func(level int) string {
		n := dims[level]
		if level == len(dims)-1 {
			if count == odd {
				n += more
			}
			count++
		}
		var items []string
		for i := range n {
			if level == len(dims)-1 {
				items = append(items, fmt.Sprint((count*7+i*3)%100-50))
			} else {
				items = append(items, write(level+1))
			}
		}
		return "[" + strings.Join(items, separator) + "]"
	}
	return write(0)
}

// TestInnermostLists: the fast path goes over lists of one size in one loop. It finds their number, and a list of another size
// wherever it stands.
func TestInnermostLists(t *testing.T) {
	for _, dtype := range []tensor.DType{tensor.Float32, tensor.Int16, tensor.Float16} {
		sig := identity(dtype)
		for _, dims := range [][]int{{5}, {1, 3}, {4, 1}, {4, 3}, {2, 3, 3}, {3, 2, 1}, {2, 2, 2, 3}, {40, 12}} {
			for _, separator := range []string{",", ", ", " ,", ",\n  "} {
				inner := 1
				for _, d := range dims[:len(dims)-1] {
					inner *= d
				}
				for odd := -1; odd < inner; odd++ {
					for _, more := range []int{1, -1, dims[len(dims)-1]} {
						body := []byte(`{"inputs": ` + lists(dims, separator, odd, more) + `}`)
						arena := tensor.NewArena()
						fast, exact, err := both(body, sig, arena)
						alike := odd < 0 || inner == 1
						switch {
						case (err == nil) != alike:
							t.Fatalf("%s: %v", body, err)
						case (fast != nil) != alike:
							t.Fatalf("%s: the fast path gave %v", body, fast)
						case alike:
							agree(t, body, fast, exact)
							if want := tensor.Shape(int64s(dims, odd == 0, more)); !fast.Inputs[0].Shape.Equal(want) {
								t.Fatalf("%s: the shape %v, want %v", body, fast.Inputs[0].Shape, want)
							}
						}
						arena.Free()
					}
				}
			}
		}
	}
}

// int64s are the dimensions, the last one changed where the only list is the odd one.
func int64s(dims []int, odd bool, more int) (s []int64) {
	dims = slices.Clone(dims)
	if odd {
		dims[len(dims)-1] += more
	}
	for _, d := range dims {
		s = append(s, int64(d))
	}
	return s
}

// TestOddNumbersAmongLists: numbers that need the exact path do not confuse the count.
func TestOddNumbersAmongLists(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	odd := []string{"1e-300", "0.000000000000000000000000000012345", "123456789012345678901234567890", "1e300", "NaN", "-Infinity", " 7", "8 "}
	for range 2000 {
		var items []string
		rows, columns := 1+r.IntN(8), 1+r.IntN(5)
		for range rows {
			var row []string
			for range columns {
				if r.IntN(4) == 0 {
					row = append(row, odd[r.IntN(len(odd))])
				} else {
					row = append(row, randomDecimal(r))
				}
			}
			items = append(items, "["+strings.Join(row, ",")+"]")
		}
		body := []byte(`{"instances": [` + strings.Join(items, ",") + `]}`)
		arena := tensor.NewArena()
		fast, exact, err := both(body, identity(tensor.Float32), arena)
		if err == nil && fast != nil {
			agree(t, body, fast, exact)
		} else if fast != nil {
			t.Fatalf("%s: the fast path took what the exact path rejects: %v", body, err)
		}
		arena.Free()
	}
}
