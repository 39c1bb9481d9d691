package configs

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// weights has a number for each of some models: NAME:3,OTHER:0.5. A name may contain colons; the number follows the last one.
func weights(p *map[string]float64) value {
	get := func() string {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(*p)) {
			list = append(list, name+":"+strconv.FormatFloat((*p)[name], 'g', -1, 64))
		}
		return strings.Join(list, ",")
	}
	return value{"NAME:X,…", get, func(s string) error {
		all := make(map[string]float64)
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			colon := strings.LastIndexByte(part, ':')
			if colon < 1 {
				return fmt.Errorf("%q does not name a model and its weight: write mlp:3,resnet:0.5", part)
			}
			x, err := strconv.ParseFloat(part[colon+1:], 64)
			if err != nil || !(x > 0) || math.IsInf(x, 0) {
				return fmt.Errorf("%q: the weight of a model must be a number greater than 0", part)
			}
			if _, twice := all[part[:colon]]; twice {
				return fmt.Errorf("%q has two weights", part[:colon])
			}
			all[part[:colon]] = x
		}
		*p = all
		return nil
	}}
}
