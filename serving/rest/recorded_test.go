package rest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"testing"

	"shoal/serving/rest"
)

// recorded is an answer of TensorFlow Serving.
type recorded struct {
	Name, Method, Path string
	Headers            map[string]string
	Body               []byte `json:"body_b64"`
	Status             int
	ContentType        string `json:"content_type"`
	Answer             []byte `json:"answer_b64"`
}

// TestRecorded replays what TensorFlow Serving answered for its model half_plus_two, which the fake computes as well.
func TestRecorded(t *testing.T) {
	s := start(t, rest.Options{})
	file, err := os.ReadFile("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(file), []byte("\n")) {
		var c recorded
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, func(t *testing.T) {
			var header []string
			for k, v := range c.Headers {
				header = append(header, k, v)
			}
			a := s.do(c.Method, c.Path, string(c.Body), header...)
			if a.status != c.Status || !reflect.DeepEqual(value(t, a.body), value(t, string(c.Answer))) {
				t.Errorf("got %d %s\nwant %d %s", a.status, a.body, c.Status, c.Answer)
			}
			if c.ContentType == "application/json" {
				a.wantJSON(t)
			}
		})
	}
}

var notNumbers = regexp.MustCompile(`-?\b(NaN|Infinity)\b`)

// value is a document by value: numbers as float32, the tokens that JSON lacks as strings.
func value(t *testing.T, document string) (v any) {
	t.Helper()
	if document == "" || document[0] != '{' {
		return document
	}
	if err := json.Unmarshal(notNumbers.ReplaceAll([]byte(document), []byte(`"$0"`)), &v); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	return rounded(v)
}

// rounded makes every number the float32 that was meant.
func rounded(v any) any {
	switch v := v.(type) {
	case float64:
		return float32(v)
	case []any:
		for i := range v {
			v[i] = rounded(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = rounded(v[k])
		}
	}
	return v
}
