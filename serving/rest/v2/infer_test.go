package v2_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving/rest"
	"shoal/tensor"
)

const path = "/v2/models/echo/infer"

// The answer to a as x and the default of b as y.
const (
	begin = `{"model_name":"echo","model_version":"2","outputs":[`
	y     = `{"name":"y","datatype":"INT32","shape":[1],"data":[7]}`
)

func x(shape, data string) string {
	return `{"name":"x","datatype":"FP32","shape":` + shape + `,"data":` + data + `}`
}

func TestJSON(t *testing.T) {
	c := newClient(t, newCore(), rest.Options{})
	answered := begin + x("[1,3]", "[1.0,2.5,-3.0]") + "," + y + "]}"
	for name, tt := range map[string]struct{ body, want string }{
		"flat":             {`{"inputs":[{"name":"a","shape":[1,3],"datatype":"FP32","data":[1,2.5,-3]}]}`, answered},
		"nested":           {`{"inputs":[{"name":"a","shape":[1,3],"datatype":"FP32","data":[[1,2.5,-3]]}]}`, answered},
		"nested as wished": {`{"inputs":[{"name":"a","shape":[1,3],"datatype":"FP32","data":[[1,[2.5]],[[[-3]]],[]]}]}`, answered},
		"data first":       {` { "inputs" : [ {"data": [1, 2.5, -3], "datatype" : "FP32", "shape": [ 1 , 3 ], "name":"a" } ] } `, answered},
		"strange members": {`{"model_name":"other","x":{"y":[1,{}]},"outputs":[],"inputs":[{"name":"a","shape":[1,3],"z":null,"datatype":"FP32","data":[1,2.5,-3]}],
			"parameters":{"anything":[1],"none":null}}`, answered},
		"an id": {`{"id":"4\"2","inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}]}`,
			`{"id":"4\"2","model_name":"echo","model_version":"2","outputs":[` + x("[1,1]", "[1.0]") + "," + y + "]}"},
		"one output": {`{"outputs":[{"name":"x"}],"inputs":[{"name":"a","shape":[2,1],"datatype":"FP32","data":[1,NaN]}]}`, begin + x("[2,1]", "[1.0,NaN]") + "]}"},
		"outputs in another order": {`{"outputs":[{"name":"y"},{"name":"x"}],"inputs":[{"name":"a","shape":[0,1],"datatype":"FP32","data":[]}]}`,
			begin + y + "," + x("[0,1]", "[]") + "]}"},
		"both inputs": {`{"inputs":[{"name":"b","shape":[2],"datatype":"INT32","data":[8,9]},{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}],"outputs":[{"name":"y"}]}`,
			begin + `{"name":"y","datatype":"INT32","shape":[2],"data":[8,9]}]}`},
		"classes": {`{"outputs":[{"name":"x","parameters":{"classification":2}}],"inputs":[{"name":"a","shape":[1,3],"datatype":"FP32","data":[1,3,2]}]}`,
			begin + `{"name":"x","datatype":"BYTES","shape":[1,2],"data":["3.000000:1","2.000000:2"]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.infer(path, tt.body)
			a.want(t, 200, tt.want)
			if got := string(a.header.ContentType()); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
			if a.header.Peek("Server-Timing") == nil || string(a.header.Peek("Shoal-Model-Version")) != "2" {
				t.Errorf("headers: %v", a.header)
			}
		})
	}
}

// Each datatype by JSON and in binary form, both ways.
func TestDatatypes(t *testing.T) {
	c := newClient(t, newCore(), rest.Options{})
	for _, tt := range []struct{ signature, datatype, data, raw string }{
		{"bool", "BOOL", "[true,false]", "\x01\x00"},
		{"uint8", "UINT8", "[0,255]", "\x00\xff"},
		{"uint16", "UINT16", "[1,65535]", "\x01\x00\xff\xff"},
		{"uint32", "UINT32", "[1,4294967295]", "\x01\x00\x00\x00\xff\xff\xff\xff"},
		{"uint64", "UINT64", "[1,18446744073709551615]", "\x01" + strings.Repeat("\x00", 7) + strings.Repeat("\xff", 8)},
		{"int8", "INT8", "[-128,127]", "\x80\x7f"},
		{"int16", "INT16", "[-1,2]", "\xff\xff\x02\x00"},
		{"int32", "INT32", "[-1,2]", "\xff\xff\xff\xff\x02\x00\x00\x00"},
		{"int64", "INT64", "[-1,9223372036854775807]", strings.Repeat("\xff", 15) + "\x7f"},
		{"half", "FP16", "[1.5,-2.0]", "\x00\x3e\x00\xc0"},
		{"bfloat16", "BF16", "[1.5,-2.0]", "\xc0\x3f\x00\xc0"},
		{"float", "FP32", "[1.5,-2.0]", "\x00\x00\xc0\x3f\x00\x00\x00\xc0"},
		{"double", "FP64", "[1.5,-2.0]", "\x00\x00\x00\x00\x00\x00\xf8\x3f\x00\x00\x00\x00\x00\x00\x00\xc0"},
		{"string", "BYTES", `["ä","\n"]`, "\x02\x00\x00\x00ä\x01\x00\x00\x00\n"},
	} {
		t.Run(tt.datatype, func(t *testing.T) {
			head := fmt.Sprintf(`{"parameters":{"signature_name":%q},"inputs":[{"name":"in","shape":[1,2],"datatype":%q,`, tt.signature, tt.datatype)
			out := fmt.Sprintf(`{"model_name":"echo","model_version":"2","outputs":[{"name":"out","datatype":%q,"shape":[1,2],`, tt.datatype)
			asJSON, size := `"data":`+tt.data+"}]", fmt.Sprintf(`"parameters":{"binary_data_size":%d}}]`, len(tt.raw))
			const wanted = `,"outputs":[{"name":"out","parameters":{"binary_data":true}}]}`
			c.infer(path, head+asJSON+"}").want(t, 200, out+asJSON+"}")
			c.binary(path, head+size+"}", tt.raw).want(t, 200, out+asJSON+"}")
			for _, a := range []answer{c.infer(path, head+asJSON+wanted), c.binary(path, head+size+wanted, tt.raw)} {
				if json, raw := a.split(t); json != out+size+"}" || raw != tt.raw {
					t.Errorf("got %s %q", json, raw)
				}
			}
		})
	}
}

func TestBinary(t *testing.T) {
	c := newClient(t, newCore(), rest.Options{})
	const a = `{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}`
	raw := floats(1, -2)

	c.binary(path, `{"inputs":[`+a+`]}`, raw).want(t, 200, begin+x("[1,2]", "[1.0,-2.0]")+","+y+"]}")
	json, tensors := c.binary(path, `{"parameters":{"binary_data_output":true},"inputs":[{"name":"b","shape":[1],"datatype":"INT32","data":[5]},`+a+`]}`, raw).split(t)
	if want := begin + `{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},` +
		`{"name":"y","datatype":"INT32","shape":[1],"parameters":{"binary_data_size":4}}]}`; json != want || tensors != raw+"\x05\x00\x00\x00" {
		t.Errorf("JSON and binary inputs: %s %q", json, tensors)
	}
	json, tensors = c.binary(path, `{"parameters":{"binary_data_output":true},"outputs":[{"name":"y","parameters":{"binary_data":false}},{"name":"x"}],"inputs":[`+a+`]}`, raw).split(t)
	if want := begin + y + `,{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}`; json != want || tensors != raw {
		t.Errorf("JSON and binary outputs: %s %q", json, tensors)
	}

	// A large body is not copied.
	large := floats(make([]float32, 1<<16)...)
	body := fmt.Sprintf(`{"outputs":[{"name":"x","parameters":{"binary_data":true}}],"inputs":[{"name":"a","shape":[1,%d],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}`, 1<<16, len(large))
	if _, tensors = c.binary(path, body, large).split(t); tensors != large {
		t.Errorf("%d bytes came back of %d", len(tensors), len(large))
	}
}

// A request without JSON is its only input.
func TestRaw(t *testing.T) {
	core := newCore()
	sig := core.Loaded["echo"][2].Signatures
	c := newClient(t, core, rest.Options{})
	only := func(name string) { sig["serving_default"] = sig[name] }
	defer only("serving_default")
	was := sig["serving_default"]
	c.infer(path, floats(1), "Inference-Header-Content-Length", "0").wantError(t, 400,
		"Raw request must only have 1 input to be deduced but got 2 inputs in 'echo' model configuration")
	only("float")
	for _, values := range [][]float32{{1, 2}, {1, 2, 3, 4}, {}} {
		raw := floats(values...)
		json, tensors := c.infer(path, raw, "inference-header-content-length", "0").split(t)
		want := fmt.Sprintf(`"shape":[%d,2],"parameters":{"binary_data_size":%d}`, len(values)/2, len(raw))
		if !strings.Contains(json, want) || tensors != raw {
			t.Errorf("%v: %s %q", values, json, tensors)
		}
	}
	c.infer(path, floats(1, 2, 3), "Inference-Header-Content-Length", "0").wantError(t, 400, "unexpected size for input 'in', expecting 8 bytes for model 'echo'")
	only("one string")
	if json, tensors := c.infer(path, "any\xffbytes", "Inference-Header-Content-Length", "0").split(t); !strings.Contains(json, `"shape":[1]`) || tensors != texts("any\xffbytes") {
		t.Errorf("a string: %s %q", json, tensors)
	}
	only("string")
	c.infer(path, "x", "Inference-Header-Content-Length", "0").wantError(t, 400, "the raw request is one string, and input 'in' of model 'echo' has the shape [-1,2]")
	sig["serving_default"] = was
}

func TestBase64(t *testing.T) {
	c := newClient(t, newCore(), rest.Options{})
	in := func(parameters, data string) string {
		return `"inputs":[{"name":"in","shape":[1,2],"datatype":"BYTES",` + parameters + `"data":` + data + `}],"parameters":{"signature_name":"string"}}`
	}
	const ask = `{"outputs":[{"name":"out","parameters":{"content_type":"base64"}}],`
	c.infer(path, ask+in(`"parameters":{"content_type":"base64"},`, `["/w==","aGk="]`)).want(t, 200,
		begin+`{"name":"out","datatype":"BYTES","shape":[1,2],"parameters":{"content_type":"base64"},"data":["/w==","aGk="]}]}`)
	c.infer(path, "{"+in(`"parameters":{"content_type":"base64"},`, `["/w==","aGk="]`)).wantError(t, 400,
		"output 'out' of model 'echo' has strings that are not UTF-8, which JSON cannot carry: ask for it as binary, with its parameter 'binary_data', or as base64, with 'content_type'")
	c.infer(path, "{"+in(`"parameters":{"content_type":"base64"},`, `["*","aGk="]`)).wantError(t, 400,
		"Unable to parse 'data': element 0 of input 'in' is not base64, as its content_type says")
}

func TestVersions(t *testing.T) {
	c := newClient(t, newCore(), rest.Options{})
	const in = `"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}]}`
	for path, version := range map[string]string{
		"/v2/models/echo/versions/1/infer": "1", "/v2/models/echo/versions/stable/infer": "1", "/v2/models/echo/versions/2/infer": "2", "/v2/models/echo/infer/": "2",
	} {
		if a := c.infer(path, "{"+in); !strings.Contains(a.body, `"model_version":"`+version+`"`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := c.infer(path, `{"parameters":{"version_label":"stable"},`+in); !strings.Contains(a.body, `"model_version":"1"`) {
		t.Errorf("the label as a parameter: %s", a.body)
	}
	if a := c.infer("/v2/models/a%2Fb/infer", "{"+in); a.status != 200 {
		t.Errorf("a name with a slash: %s", a.body)
	}
	for path, text := range map[string]string{
		"/v2/models/none/infer":              "Request for unknown model: 'none' is not found",
		"/v2/models/echo/versions/9/infer":   "Request for unknown model: 'echo' version 9 is not found",
		"/v2/models/echo/versions/new/infer": "Request for unknown model: 'echo' version new is not found",
	} {
		c.infer(path, "{"+in).wantError(t, 404, text)
		c.infer(path, "").wantError(t, 404, text)
	}
}

// The texts are Triton's where it has one.
func TestErrors(t *testing.T) {
	core := newCore()
	c := newClient(t, core, rest.Options{})
	a := func(members string) string { return `{"inputs":[{"name":"a",` + members + `}]}` }
	const noMember, parse = "attempt to access non-existing object member", "failed to parse the request JSON buffer: "
	for body, text := range map[string]string{
		"":                                   parse + "The document is empty. at 0",
		"hello":                              parse + "Invalid value. at 0",
		"[]":                                 "failed to parse the request JSON buffer: attempt to access JSON non-object as object",
		`{"inputs":[]} x`:                    parse + "The document root must not be followed by other values. at 14",
		`{"inputs":[{}]`:                     parse + "Missing a comma or '}' after an object member. at 14",
		`{"inputs":[{"name":1}],`:            parse + "Missing a name for object member. at 23",
		"{}":                                 "Unable to parse 'inputs': " + noMember + " 'inputs'",
		`{"inputs":{}}`:                      "Unable to parse 'inputs': attempt to access JSON non-array as array",
		`{"inputs":[1]}`:                     "Unable to parse 'inputs': attempt to access JSON non-object as object",
		`{"inputs":[{}]}`:                    "Unable to parse 'name': " + noMember + " 'name'",
		`{"inputs":[{"name":1}]}`:            "Unable to parse 'name': attempt to access JSON non-string as string",
		`{"id":1}`:                           "Unable to parse 'id': attempt to access JSON non-string as string",
		`{"inputs":[]}`:                      "expected 2 inputs but got 0 inputs for model 'echo'. Got input(s) [], but missing required input(s) ['a']. Please provide all required input(s).",
		a(`"datatype":"FP32","data":[1]`):    "Unable to parse 'shape': " + noMember + " 'shape'",
		a(`"shape":[1,1],"data":[1]`):        "Unable to parse 'datatype': " + noMember + " 'datatype'",
		a(`"shape":1`):                       "Unable to parse 'shape': attempt to access JSON non-array as array",
		a(`"shape":[-1]`):                    "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
		a(`"shape":[[1]]`):                   "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
		a(`"shape":[1.5]`):                   "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
		a(`"shape":[1,1],"datatype":"FP32"`): "must specify valid 'Infer-Header-Content-Length' in request header and 'binary_data_size' when passing inputs in binary data format",
		a(`"shape":[1,1],"datatype":"COMPLEX","data":[1]`):                                              "inference input 'a' has the unknown datatype 'COMPLEX'",
		a(`"shape":[1,1],"datatype":"INT32","data":[1]`):                                                "inference input 'a' data-type is 'INT32', but model 'echo' expects 'FP32'",
		a(`"shape":[1,2],"datatype":"FP32","data":[1]`):                                                 "Unable to parse 'data': Shape does not match true shape of 'data' field: input 'a' has 1 elements for the shape [1,2]",
		a(`"shape":[9223372036854775807,3],"datatype":"FP32","data":[1]`):                               "invalid shape [9223372036854775807,3] of input 'a' for model 'echo'",
		a(`"shape":[1,2],"datatype":"FP32","data":[1,"2"]`):                                             "Unable to parse 'data': input 'a' has a value at offset 65 that is no FP32",
		a(`"shape":[1,1],"datatype":"INT8","data":[128]`):                                               "Unable to parse 'data': input 'a' has a value at offset 63 that is no INT8",
		a(`"shape":[1,1],"datatype":"FP32","data":[1,]`):                                                parse + "Invalid value. at 65",
		a(`"shape":[1,1],"datatype":"FP32","data":[1 2]`):                                               parse + "Missing a comma or ']' after an array element. at 65",
		a(`"shape":[1,1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}`):             "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters'. But got both for input 'a'",
		a(`"shape":[1,1],"datatype":"FP32","parameters":{"binary_data_size":4}`):                        "unexpected size for input 'a', expecting 4 bytes for model 'echo'",
		a(`"shape":[1,1],"datatype":"FP32","parameters":{"binary_data_size":-4}`):                       "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer as unsigned-integer",
		a(`"shape":[1,1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}`):                  "shared memory is not supported: send tensors in the request",
		`{"inputs":[{"name":"z","shape":[1,1],"datatype":"FP32","data":[1]}]}`:                          "unexpected inference input 'z' for model 'echo'",
		`{"outputs":[{"name":"z"}],"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}]}`: "unexpected inference output 'z' for model 'echo'",
		a(`"shape":[1` + strings.Repeat(",1", 254) + `]`):                                               "the shape of input 'a' has more than 254 dimensions",
		`{"outputs":[` + strings.Repeat(`{"name":"x"},`, 1<<14) + `{}]}`:                                "'outputs' has more than 16384 elements",
		`{"outputs":[{}]}`:                                          "Unable to parse 'name': " + noMember + " 'name'",
		`{"parameters":{"triton_x":1},"inputs":[]}`:                 "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
		`{"parameters":1,"inputs":[]}`:                              "Unable to parse 'parameters': attempt to access JSON non-object as object",
		`{"parameters":{"signature_name":"none"},"inputs":[]}`:      "model 'echo' has no signature \"none\": name one of {" + strings.Join(slices.Sorted(maps.Keys(core.Loaded["echo"][2].Signatures)), ",") + "} in the parameter 'signature_name'",
		`{"parameters":{"signature_name":"complex64"},"inputs":[]}`: "input 'in' of model 'echo' has elements of type complex64, which the protocol has no datatype for: use the API of TensorFlow Serving",
	} {
		t.Run(text, func(t *testing.T) { c.infer(path, body).wantError(t, 400, text) })
	}
	const sized = `{"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","parameters":{"binary_data_size":4}}]}`
	c.binary(path, sized, "123").wantError(t, 400, "unexpected size for input 'a', expecting 4 bytes for model 'echo'")
	c.binary(path, sized, "12345").wantError(t, 400, "unexpected additional input data for model 'echo'")
	for sent, text := range map[string]string{
		"94": "inference header size should be in range (0, 93), got: 94", "-1": "inference header size should be in range (0, 93), got: -1",
		"x": "Unable to parse Inference-Header-Content-Length, got: x", "9999999999999999999999": "Unable to parse Inference-Header-Content-Length, got: 9999999999999999999999",
	} {
		c.infer(path, sized, "Inference-Header-Content-Length", sent).wantError(t, 400, text)
	}
	if core.Pinned() != 0 {
		t.Errorf("%d versions are pinned", core.Pinned())
	}
}

func TestErrorsOfTheModel(t *testing.T) {
	core := newCore()
	var fails error
	core.Loaded["echo"][2].Compute = func(context.Context, batcher.Entry) ([]tensor.Tensor, error) { return nil, fails }
	c := newClient(t, core, rest.Options{})
	for _, tt := range []struct {
		code   codes.Code
		status int
		retry  string
	}{
		{codes.InvalidArgument, 400, ""}, {codes.Canceled, 400, ""}, {codes.Unknown, 400, ""}, {codes.AlreadyExists, 400, ""}, {codes.NotFound, 404, ""},
		{codes.Internal, 500, ""}, {codes.Unimplemented, 501, ""}, {codes.Unavailable, 503, "1"}, {codes.DeadlineExceeded, 504, ""}, {codes.ResourceExhausted, 429, ""},
	} {
		fails = status.Error(tt.code, "no \xff luck")
		a := c.infer(path, `{"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}]}`)
		a.want(t, tt.status, `{"error":"no � luck"}`)
		if got := string(a.header.Peek("Retry-After")); got != tt.retry {
			t.Errorf("%v: Retry-After %q", tt.code, got)
		}
	}
}

func TestTimeoutAndPriority(t *testing.T) {
	core := newCore()
	var deadline time.Time
	var priority uint64
	core.Loaded["echo"][2].Compute = func(ctx context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
		deadline, priority = e.Deadline, e.Priority
		return echo(ctx, e)
	}
	c := newClient(t, core, rest.Options{Timeout: time.Hour})
	for micros, latest := range map[int]time.Duration{1000000: time.Second, 0: time.Hour, 7200000000: time.Hour} {
		before := time.Now()
		c.infer(path, `{"parameters":{"priority":3,"timeout":`+strconv.Itoa(micros)+`},"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}]}`)
		if after := time.Now(); deadline.Before(before.Add(latest)) || deadline.After(after.Add(latest)) {
			t.Errorf("timeout %d: the deadline is %v after the request", micros, deadline.Sub(before))
		}
		if priority != 3 {
			t.Errorf("priority %d", priority)
		}
	}
}
