package json

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// TestReference holds the decoder against what TensorFlow Serving's own conversion makes of the same bodies with
// RapidJSON 1.1.0. A line has the input's type, the code, the body and the message.
func TestReference(t *testing.T) {
	lines, err := os.ReadFile("testdata/reference.txt")
	if err != nil {
		t.Fatal(err)
	}
	dtypes := map[string]tensor.DType{}
	for _, d := range dtypeNames {
		dtypes[d.String()] = d
	}
	for line := range strings.Lines(string(lines)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		quoted, err := strconv.QuotedPrefix(fields[2])
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		body, _ := strconv.Unquote(quoted)
		want, err := strconv.Unquote(strings.TrimSpace(fields[2][len(quoted):]))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch fields[0] {
		case "examples":
			_, err = DecodeExamples([]byte(body), "classify")
		default:
			sig := multiSignature
			if d, ok := dtypes[fields[0]]; ok {
				sig = identity(d)
			}
			arena := tensor.NewArena()
			_, err = DecodePredict([]byte(body), func(string) (*tensor.Signature, error) { return sig, nil }, arena)
			arena.Free()
		}
		s := status.Convert(err)
		if code := strconv.Itoa(int(s.Code())); code != fields[1] || s.Message() != want {
			t.Errorf("%s %q\ngot  %s %q\nwant %s %q", fields[0], body, code, s.Message(), fields[1], want)
		}
	}
}
