package json

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"shoal/tensor"
)

// decodeOne decodes a number with either path.
func decodeOne(t testing.TB, dtype tensor.DType, number string, exactly bool) tensor.Tensor {
	t.Helper()
	// Room behind the number lets the fast path look at it.
	body := []byte(`{"inputs":[` + number + `,` + number + `]` + strings.Repeat(" ", window) + `}`)
	l := lookup{resolve: func(string) (*tensor.Signature, error) { return identity(dtype), nil }}
	arena := tensor.NewArena()
	t.Cleanup(arena.Free)
	if exactly {
		req, err := decodeExact(body, &l, arena)
		if err != nil {
			t.Fatalf("%s: %v", number, err)
		}
		return req.Inputs[0]
	}
	req := decodeFast(body, l.resolve, arena)
	if req == nil {
		t.Fatalf("%s: the fast path gave up", number)
	}
	return req.Inputs[0]
}

// hardDecimals are numbers at or next to midpoints, limits and the ends of the fast paths' ranges.
var hardDecimals = []string{
	"0", "-0", "0.0", "-0.0", "1", "16777217", "16777216.99999999999", "16777217.0000000000001", "33554433", "9007199254740993",
	"9007199254740992.5", "9007199254740993.0000000001", "0.1", "0.3", "3.4028235e38", "3.4028235677973366e38", "3.4028236e38",
	"1e39", "-1e39", "1.1754943508222875e-38", "1.1754942e-38", "1e-45", "7e-46", "7.1e-46", "1e-50", "2.2250738585072014e-308",
	"2.2250738585072011e-308", "5e-324", "2e-324", "1.7976931348623157e308", "1.7976931348623158e308", "8.5e37", "1e22", "1e23",
	"8.41e21", "9.5367431640625e-07", "123456789012345678", "12345678901234567890", "0.00012345678901234567",
	"1.00000017881393432617187499", "1.00000017881393432617187500", "1.00000017881393432617187501", "4503599627370497.5",
	"0.500000059604644775390625", "1e-400", "1E5", "1.5E+3", "2.5e-3", "6.3108872417680944432938285222e-30",
}

func TestDecimals(t *testing.T) {
	numbers := hardDecimals
	r := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		numbers = append(numbers, randomDecimal(r))
	}
	for whole := range 21 { // every length that the fast path treats in a way of its own, and some more
		for fraction := 1; fraction < 27; fraction++ {
			for range 4 {
				number := "0"
				if whole > 0 {
					number = randomDigits(r, whole, true)
				}
				numbers = append(numbers, number+"."+randomDigits(r, fraction, false))
			}
		}
	}
	for _, s := range numbers {
		for _, exactly := range []bool{true, false} {
			checkFloat(t, s, exactly)
		}
	}
}

// randomDigits are n digits, the first of which is no zero where nonzero says so.
func randomDigits(r *rand.Rand, n int, nonzero bool) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	if nonzero {
		b[0] = byte('1' + r.IntN(9))
	}
	return string(b)
}

func checkFloat(t testing.TB, s string, exactly bool) {
	t.Helper()
	got := decodeOne(t, tensor.Float32, s, exactly)
	want, _ := strconv.ParseFloat(s, 32)
	if bits := elementsOf[uint32](got.Data)[0]; bits != math.Float32bits(float32(want)) {
		t.Errorf("float32 of %s (exact path %v) is %x, want %x", s, exactly, bits, math.Float32bits(float32(want)))
	}
	got = decodeOne(t, tensor.Float64, s, exactly)
	want, _ = strconv.ParseFloat(s, 64)
	if bits := elementsOf[uint64](got.Data)[0]; bits != math.Float64bits(want) {
		t.Errorf("float64 of %s (exact path %v) is %x, want %x", s, exactly, bits, math.Float64bits(want))
	}
}

func randomDecimal(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0: // any float64, any precision
		v := math.Float64frombits(r.Uint64())
		if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e308 {
			v = 1.5
		}
		return strconv.FormatFloat(v, 'e', r.IntN(20)-1, 64)
	case 1: // next to the midpoint of two float32s
		v := math.Float32frombits(r.Uint32()>>2 + 1<<28)
		mid := (float64(v) + float64(math.Nextafter32(v, 1e38))) / 2
		return strconv.FormatFloat(math.Nextafter(mid, float64(r.IntN(3)-1)*1e38), 'g', 17+r.IntN(3), 64)
	case 2:
		return strconv.FormatFloat(r.NormFloat64(), 'f', r.IntN(25), 64)
	}
	return strconv.FormatUint(r.Uint64()>>r.IntN(64), 10) + "." + strconv.FormatUint(r.Uint64()>>r.IntN(64), 10)
}

// TestShortest compares the digits with strconv's, which are the shortest and closest.
func TestShortest(t *testing.T) {
	check64 := func(v float64) {
		got := string(AppendFloat64(nil, v))
		back, err := strconv.ParseFloat(got, 64)
		if err != nil || math.Float64bits(back) != math.Float64bits(v) || !asGood(got, strconv.FormatFloat(v, 'e', -1, 64), v) {
			t.Fatalf("%v (%x) printed as %s", v, math.Float64bits(v), got)
		}
	}
	check32 := func(v float32) {
		got := string(AppendFloat32(nil, v))
		back, err := strconv.ParseFloat(got, 32)
		if err != nil || math.Float32bits(float32(back)) != math.Float32bits(v) || !asGood(got, strconv.FormatFloat(float64(v), 'e', -1, 32), float64(v)) {
			t.Fatalf("%v (%x) printed as %s", v, math.Float32bits(v), got)
		}
	}
	for e := range 2047 {
		for _, fraction := range []uint64{0, 1, 2, 1<<51 - 1, 1 << 51, 1<<52 - 2, 1<<52 - 1} {
			check64(math.Float64frombits(uint64(e)<<52 | fraction))
		}
	}
	for e := range 255 {
		for fraction := range uint32(300) {
			check32(math.Float32frombits(uint32(e)<<23 | fraction))
			check32(math.Float32frombits(1<<31 | uint32(e)<<23 | (1<<23 - 1 - fraction)))
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 200000 {
		if v := math.Float64frombits(r.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
			check64(v)
		}
		if v := math.Float32frombits(r.Uint32()); v == v && !math.IsInf(float64(v), 0) {
			check32(v)
		}
		check64(float64(r.IntN(1<<40)) / 1000)
		check32(float32(r.IntN(1<<20)) / 1000)
	}
}

// asGood reports whether a has as few digits as b and is as close to v: there may be two such.
func asGood(a, b string, v float64) bool {
	x, y := significand(a), significand(b)
	if x == y {
		return true
	}
	distance := func(s string) *big.Rat {
		d, _ := new(big.Rat).SetString(s)
		return d.Abs(d.Sub(d, new(big.Rat).SetFloat64(v)))
	}
	return len(x) == len(y) && distance(a).Cmp(distance(b)) == 0
}

// significand is the digits of a number without the zeros at either end.
func significand(s string) string {
	s, _, _ = strings.Cut(s, "e")
	return strings.Trim(strings.Replace(strings.TrimPrefix(s, "-"), ".", "", 1), "0")
}

func TestAppendFloatForms(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", math.Copysign(0, -1): "-0.0", 1: "1.0", -3: "-3.0", 1500: "1500.0", 0.5: "0.5", 123.25: "123.25", 1e15: "1000000000000000.0",
		1e16: "1e+16", 1.5e20: "1.5e+20", 0.001: "0.001", 0.00001: "0.00001", 0.000001: "1e-06", 1.25e-7: "1.25e-07", 1e300: "1e+300",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", 1e-320: "1e-320", math.MaxFloat64: "1.7976931348623157e+308",
	} {
		if got := string(AppendFloat64(nil, v)); got != want {
			t.Errorf("%v is printed as %s, want %s", v, got, want)
		}
	}
	if got := string(AppendFloat32(nil, float32(math.NaN()))); got != "NaN" {
		t.Errorf("NaN is printed as %s", got)
	}
	if got := string(AppendFloat32(nil, 0.1)); got != "0.1" {
		t.Errorf("0.1 is printed as %s", got)
	}
}
