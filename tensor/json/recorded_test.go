package json

import (
	"bufio"
	"bytes"
	encoding "encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// recorded is a request and TensorFlow Serving's own answer to it.
type recorded struct {
	Name        string
	Model       string // with @1 for version 1 where it is not the newest
	Verb        string
	Body        string
	BodyB64     []byte `json:"body_b64"` // where the body is not UTF-8
	Status      int
	Answer      string
	Error       string
	MayBeBetter bool `json:"may_be_better"`
}

func loadRecorded(t testing.TB) []recorded {
	f, err := os.Open("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []recorded
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c recorded
		if err := encoding.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.BodyB64 != nil {
			c.Body = string(c.BodyB64)
		}
		cases = append(cases, c)
	}
	return cases
}

// better holds what is answered instead of TensorFlow Serving's answer where that is merely bad. A case that may be
// better and is not listed here is answered alike.
var better = map[string]string{
	"multi string b64 urlsafe": `{"predictions":[{"sum":3,"b2":14,"tag_bytes":{"b64":"/wD+IQ=="},"text":"` + "\xff" + `\u0000` + "\xfe" + `"}]}`,
	"float64 row 5e-324":       `{"predictions":[5e-324]}`,
	"int8 row 128":             rowError("128", "int8"),
	"int16 row 32768":          rowError("32768", "int16"),
	"int16 column 32768":       `JSON Value: 32768 Type: Number is not of expected type: int16`,
	"uint8 row 256":            rowError("256", "uint8"),
	"uint8 row -1":             rowError("-1", "uint8"),
	"uint16 row 65535":         `{"predictions":[65535]}`,
	"uint16 matrix":            `{"outputs":[[65535,65535],[65535,65535]]}`,
	"uint16 rows of lists":     `{"predictions":[[65535,65535],[65535,65535]]}`,
	"float16 row 1.5":          `{"predictions":[1.5]}`,
	"float16 rows of lists":    `{"predictions":[[1.5,1.5],[1.5,1.5]]}`,
	"bfloat16 matrix":          `{"outputs":[[1.5,1.5],[1.5,1.5]]}`,
}

func rowError(value, dtype string) string {
	return "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: " + value +
		" Type: Number is not of expected type: " + dtype
}

func TestRecorded(t *testing.T) {
	for _, c := range loadRecorded(t) {
		t.Run(c.Name, func(t *testing.T) {
			answer, err := serve(c)
			got := string(answer)
			want, wantCode := c.Answer, codes.OK
			if err != nil {
				got = status.Convert(err).Message()
			}
			if c.Status != 200 {
				want, wantCode = c.Error, codes.InvalidArgument
				if c.Status == 501 {
					wantCode = codes.Unimplemented
				}
			}
			if b, ok := better[c.Name]; ok && c.MayBeBetter {
				want, wantCode = b, codes.InvalidArgument
				if strings.HasPrefix(b, "{") {
					wantCode = codes.OK
				}
			}
			if code := status.Code(err); code != wantCode {
				t.Fatalf("code %v, want %v: %s", code, wantCode, got)
			}
			if wantCode != codes.OK {
				if got != want {
					t.Fatalf("got  %q\nwant %q", got, want)
				}
				return
			}
			single := !strings.Contains(c.Body, "float64")
			if !sameJSON(t, got, want, single) {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// serve answers a case with the codec and a stand-in for the model.
func serve(c recorded) ([]byte, error) {
	if c.Verb != "predict" {
		return serveExamples(c)
	}
	arena := tensor.NewArena()
	defer arena.Free()
	req, err := DecodePredict([]byte(c.Body), resolver(c.Model), arena)
	if err != nil {
		return nil, err
	}
	return AppendPredict(nil, req.Format, req.Signature, runModel(c.Model, req.Inputs))
}

func serveExamples(c recorded) ([]byte, error) {
	req, err := DecodeExamples([]byte(c.Body), c.Verb)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(req.SignatureName, "_x_to_y") {
		return nil, invalidf("No signature was found with the name: %s", req.SignatureName)
	}
	var values []float32
	var results [][]Class
	for _, e := range req.Examples {
		y := halfPlus(c.Model, parseExample(e)["x"].GetFloatList().GetValue()[0])
		values = append(values, y)
		results = append(results, []Class{{Score: y}})
	}
	if c.Verb == "regress" {
		return AppendRegress(nil, values)
	}
	return AppendClassify(nil, results)
}

// sameJSON compares two answers by value: objects in any order, floats as float32 (to the last bit but one, since the
// real server's conversion is not exact) or as float64.
func sameJSON(t *testing.T, a, b string, single bool) bool {
	x, err := parseDocument([]byte(a))
	if err != nil {
		t.Fatal(err)
	}
	y, err := parseDocument([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	var same func(v, w uint32) bool
	same = func(v, w uint32) bool {
		if x.kind(v) != y.kind(w) || x.size(v) != y.size(w) {
			return false
		}
		switch x.kind(v) {
		case kindObject:
			for m := range x.members(v) {
				other := y.find(w, x.name(m))
				if other == 0 || !same(m+1, other) {
					return false
				}
			}
		case kindArray:
			for i, e := range x.elements(v) {
				for j, f := range y.elements(w) {
					if i == j && !same(e, f) {
						return false
					}
				}
			}
		case kindString:
			return bytes.Equal(x.appendString(nil, v), y.appendString(nil, w))
		case kindNumber:
			n, m := x.number(v), y.number(w)
			if n.integer && m.integer {
				return n.neg == m.neg && n.mag == m.mag
			}
			p, q := n.float64(), m.float64()
			return p == q || math.IsNaN(p) && math.IsNaN(q) || single && closeEnough32(n.float32(), m.float32()) ||
				!single && math.Abs(p-q) <= 4e-16*math.Abs(q)
		}
		return true
	}
	return same(0, 0)
}

func closeEnough32(a, b float32) bool {
	return a == b || math.Nextafter32(a, b) == b
}
