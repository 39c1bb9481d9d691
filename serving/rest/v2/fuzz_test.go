package v2_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"shoal/serving/rest"
)

// FuzzInfer sends any body, with any length of its JSON, to a model that answers what it is sent. Nothing panics, nothing stays pinned,
// and every answer is well formed.
func FuzzInfer(f *testing.F) {
	a := `{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}}`
	for _, seed := range []struct {
		body string
		json int
	}{
		{a + floats(1, 2), len(a)}, {a + floats(1), len(a)}, {a, len(a)}, {a + floats(1, 2, 3), len(a) + 4}, {floats(1, 2), 0}, {a, -1}, {"", 0}, {a, 1 << 30},
		{`{"inputs":[{"name":"in","shape":[2,2],"datatype":"BYTES","parameters":{"binary_data_size":24}}],"parameters":{"signature_name":"string"}}` + texts("a", "", "bcd", "efgh"), 136},
		{`{"inputs":[{"name":"in","shape":[1,2],"datatype":"BYTES","data":["a","\u00e4"]}],"parameters":{"signature_name":"string"}}`, -1},
		{`{"inputs":[{"data":[[1,2],[3,[4]]],"name":"in","datatype":"INT8","shape":[2,2]}],"parameters":{"signature_name":"int8"},"outputs":[{"name":"out","parameters":{"classification":3}}]}`, -1},
		{`{"inputs":[{"name":"in","shape":[9223372036854775807,2],"datatype":"FP64","parameters":{"binary_data_size":9223372036854775807}}],"parameters":{"signature_name":"double"}}`, 100},
	} {
		f.Add([]byte(seed.body), seed.json)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		core := newCore()
		c := newClient(t, core, rest.Options{})
		var header []string
		if n >= 0 {
			header = []string{"Inference-Header-Content-Length", strconv.Itoa(n)}
		}
		answer := c.infer(path, string(body), header...)
		document := answer.body
		if sent := string(answer.header.Peek("Inference-Header-Content-Length")); sent != "" {
			k, err := strconv.Atoi(sent)
			if err != nil || k > len(document) {
				t.Fatalf("the length %q of %d bytes", sent, len(document))
			}
			document = document[:k]
		}
		// JSON has no NaN and no infinities, the protocol's clients know them.
		plain := strings.NewReplacer("-Infinity", "1", "Infinity", "1", "NaN", "1").Replace(document)
		if answer.status == 500 || !json.Valid([]byte(plain)) {
			t.Errorf("%d %q", answer.status, document)
		}
		if core.Pinned() != 0 {
			t.Error("a version is still pinned")
		}
	})
}
