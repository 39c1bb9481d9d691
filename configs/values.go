package configs

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is a pflag.Value that reads and writes one field of a Server.
type value struct {
	kind string // what --help calls it; "bool" needs no argument
	get  func() string
	set  func(string) error
}

func (v value) String() string     { return v.get() }
func (v value) Set(s string) error { return v.set(s) }
func (v value) Type() string       { return v.kind }

// IsBoolFlag tells flag packages that the flag needs no value.
func (v value) IsBoolFlag() bool { return v.kind == boolKind }

const boolKind = "bool"

// text is any string; kind is what --help calls it.
func text(p *string, kind string) value {
	return value{kind, func() string { return *p }, func(s string) error { *p = s; return nil }}
}

// booleans are the words for true and false, in upper or lower case.
var booleans = map[string]bool{
	"true": true, "t": true, "1": true, "yes": true, "y": true, "on": true,
	"false": false, "f": false, "0": false, "no": false, "n": false, "off": false,
}

// boolean is a bool. It rejects any other word, and then does not change the field.
func boolean(p *bool) value {
	return value{boolKind, func() string { return strconv.FormatBool(*p) }, func(s string) error {
		b, ok := booleans[strings.ToLower(s)]
		if !ok {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		*p = b
		return nil
	}}
}

// Switch is on, off, or left to the server.
type Switch string

// The switches, as they are written.
const (
	On   Switch = "true"
	Off  Switch = "false"
	Auto Switch = "auto"
)

// automatic is a boolean that may also be left to the server.
func automatic(p *Switch) value {
	return value{boolKind, func() string { return string(*p) }, func(s string) error {
		b, ok := booleans[strings.ToLower(s)]
		switch {
		case ok && b:
			*p = On
		case ok:
			*p = Off
		case strings.EqualFold(s, string(Auto)):
			*p = Auto
		default:
			return fmt.Errorf("%q is none of auto, true and false", s)
		}
		return nil
	}}
}

// number is a decimal integer of 32 bits, as in tensorflow_model_server. Validate checks the limits.
func number(p *int) value {
	return value{"N", func() string { return strconv.Itoa(*p) }, func(s string) error {
		n, err := whole(s, math.MinInt32, math.MaxInt32)
		if err == nil {
			*p = int(n)
		}
		return err
	}}
}

// in is a time.Duration written as a whole number of the unit in the flag's name (…_seconds, …_micros).
func in(p *time.Duration, unit time.Duration) value {
	return value{"N", func() string { return strconv.FormatInt(int64(*p/unit), 10) }, func(s string) error {
		limit := math.MaxInt64 / int64(unit)
		n, err := whole(s, -limit, limit)
		if err == nil {
			*p = time.Duration(n) * unit
		}
		return err
	}}
}

// duration is a time with its unit. It rejects a number without a unit, because the unit would not be clear.
func duration(p *time.Duration) value {
	return value{"TIME", func() string { return p.String() }, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is no time: write 500ms, 30s, 2m", s)
		}
		*p = d
		return nil
	}}
}

// fraction is a decimal number. Validate checks the limits and rejects NaN.
func fraction(p *float64) value {
	return value{"X", func() string { return strconv.FormatFloat(*p, 'g', -1, 64) }, func(s string) error {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", s)
		}
		*p = x
		return nil
	}}
}

// list is a comma-separated list. Spaces around entries, and empty entries, are dropped.
func list(p *[]string, kind string) value {
	return value{kind, func() string { return strings.Join(*p, ",") }, func(s string) error {
		*p = nil
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" && !slices.Contains(*p, part) {
				*p = append(*p, part)
			}
		}
		return nil
	}}
}

// repeated is a list whose flag may be given several times: each adds to the list. The first one replaces the value of the
// variable.
func repeated(p *[]string, kind string) value {
	one := list(p, kind)
	given := false
	return value{one.kind, one.get, func(s string) error {
		before := *p
		if !given {
			before = nil
		}
		given = true
		err := one.set(s)
		for _, part := range *p {
			if !slices.Contains(before, part) {
				before = append(before, part)
			}
		}
		*p = before
		return err
	}}
}

// level is a level of log/slog.
func level(p *slog.Level) value {
	return value{"LEVEL", func() string { return strings.ToLower(p.String()) }, func(s string) error {
		if p.UnmarshalText([]byte(s)) != nil {
			return fmt.Errorf("%q is no level: use debug, info, warn or error", s)
		}
		return nil
	}}
}

// unit is a suffix of sizes.
type unit struct {
	suffix string
	bytes  int64
}

// units have the longest suffix first, so that "MiB" is not read as "B". The last one fits every text.
var units = []unit{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}, {"", 1},
}

// size is a number of bytes, with or without a unit.
func size(p *int64) value {
	get := func() string {
		for _, u := range []int{2, 1, 0} {
			if b := units[u].bytes; *p >= b && *p%b == 0 {
				return strconv.FormatInt(*p/b, 10) + [...]string{"KiB", "MiB", "GiB"}[u]
			}
		}
		return strconv.FormatInt(*p, 10)
	}
	return value{"BYTES", get, func(s string) error {
		lower := strings.ToLower(strings.TrimSpace(s))
		i := slices.IndexFunc(units, func(u unit) bool { return strings.HasSuffix(lower, u.suffix) })
		digits := strings.TrimSpace(strings.TrimSuffix(lower, units[i].suffix))
		n, err := whole(digits, 0, math.MaxInt64/units[i].bytes)
		if err != nil {
			return fmt.Errorf("%q is no number of bytes: write 1048576, 64KiB, 100MiB, 1GB", s)
		}
		*p = n * units[i].bytes
		return nil
	}}
}

// whole reads a decimal integer. A leading zero does not make it octal.
func whole(s string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil && !isDecimal(s):
		return 0, fmt.Errorf("%q is no whole number", s)
	case err != nil || n < least || n > most:
		return 0, fmt.Errorf("%s is out of range: %d to %d", s, least, most)
	}
	return n, nil
}

// isDecimal reports whether a text is a decimal number, which may be too large.
func isDecimal(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}
