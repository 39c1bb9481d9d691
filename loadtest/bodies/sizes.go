package bodies

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Sizes is a distribution of instances per request: "8", "1-64" (evenly), "1:0.9,32:0.1" (with weights), or a mixture.
type Sizes []sizeRange

type sizeRange struct {
	from, to int
	weight   float64
}

const maxInstances = 1 << 20

// ParseSizes reads a distribution.
func ParseSizes(text string) (Sizes, error) {
	var sizes Sizes
	for part := range strings.SplitSeq(text, ",") {
		span, weight, weighted := strings.Cut(strings.TrimSpace(part), ":")
		from, to, ranged := strings.Cut(span, "-")
		if !ranged {
			to = from
		}
		s := sizeRange{weight: 1}
		var err1, err2, err3 error
		s.from, err1 = strconv.Atoi(from)
		s.to, err2 = strconv.Atoi(to)
		if weighted {
			s.weight, err3 = strconv.ParseFloat(weight, 64)
		}
		if err1 != nil || err2 != nil || err3 != nil || s.from < 1 || s.to < s.from || s.to > maxInstances || !(s.weight > 0 && s.weight < 1e9) {
			return nil, fmt.Errorf("%q is no number of instances: write 8, 1-64, or 1:0.9,32:0.1", part)
		}
		sizes = append(sizes, s)
	}
	return sizes, nil
}

// Pick draws a size.
func (s Sizes) Pick(r *rand.Rand) int {
	total := 0.0
	for _, one := range s {
		total += one.weight
	}
	u := r.Float64() * total
	chosen := s[len(s)-1]
	for _, one := range s {
		if u < one.weight {
			chosen = one
			break
		}
		u -= one.weight
	}
	return chosen.from + r.IntN(chosen.to-chosen.from+1)
}

// Mean is the expected size.
func (s Sizes) Mean() float64 {
	sum, total := 0.0, 0.0
	for _, one := range s {
		sum += one.weight * float64(one.from+one.to) / 2
		total += one.weight
	}
	return sum / total
}
