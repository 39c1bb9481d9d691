package v2_test

import (
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/rest"
	"shoal/serving/rest/v2"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's clock runs for ever, and its pool's cleaner ends at its next look, seconds after the pool.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// echo answers each input as the output of the same place.
func echo(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) { return e.Inputs, nil }

func spec(name string, d tensor.DType, shape ...int64) tensor.Spec {
	return tensor.Spec{Name: name, DType: d, Shape: shape}
}

// newCore serves "echo" in the versions 1 and 2, whose signatures answer what they are sent: serving_default has a as x and b as y, and
// each element type has one of its own name, with in as out. The model "odd" has only complex numbers.
func newCore() *servingtest.Core[*servingtest.Model] {
	b := spec("b", tensor.Int32, -1)
	b.Default = &tensor.Tensor{DType: tensor.Int32, Shape: tensor.Shape{1}, Data: []byte{7, 0, 0, 0}}
	signatures := map[string]*tensor.Signature{
		"serving_default": {
			Name: "serving_default", Inputs: []tensor.Spec{spec("a", tensor.Float32, -1, -1), b},
			Outputs: []tensor.Spec{spec("x", tensor.Float32, -1, -1), spec("y", tensor.Int32, -1)},
		},
	}
	for d := tensor.DType(0); d < 30; d++ {
		if d.Known() {
			signatures[d.String()] = &tensor.Signature{
				Name: d.String(), Inputs: []tensor.Spec{spec("in", d, -1, 2)}, Outputs: []tensor.Spec{spec("out", d, -1, 2)},
			}
		}
	}
	signatures["one string"] = &tensor.Signature{
		Name: "one string", Inputs: []tensor.Spec{spec("in", tensor.String, -1)}, Outputs: []tensor.Spec{spec("out", tensor.String, -1)},
	}
	model := func() *servingtest.Model { return &servingtest.Model{Signatures: signatures, Compute: echo} }
	odd := &servingtest.Model{Signatures: map[string]*tensor.Signature{"serving_default": signatures["complex64"]}, Compute: echo}
	available := []serving.VersionStatus{{Version: 2, State: serving.Available}, {Version: 1, State: serving.Available, Labels: []string{"stable"}}}
	return &servingtest.Core[*servingtest.Model]{
		Loaded: map[string]map[int64]*servingtest.Model{"echo": {1: model(), 2: model()}, "odd": {1: odd}, "a/b": {1: model()}},
		Labels: map[string]int64{"stable": 1},
		Statuses: []serving.ModelStatus{
			{Name: "echo", Platform: "tensorflow", Configured: true, Versions: available},
			{Name: "odd", Configured: true, Versions: available[1:]},
		},
	}
}

// client asks a server without a socket.
type client struct {
	t       testing.TB
	options rest.Options
	server  *rest.Server
	api     *v2.API
}

func newClient(t testing.TB, core serving.Core, o rest.Options) *client {
	c := &client{t: t, options: o}
	c.serve(v2.Options{Core: core, Version: "1.2.3"})
	return c
}

// serve makes another server the client's.
func (c *client) serve(o v2.Options) {
	c.api = v2.New(o)
	c.options.Core, c.options.APIs = o.Core, []rest.API{c.api}
	s := rest.New(c.options)
	c.server = s
	c.t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
}

type answer struct {
	status int
	body   string
	header *fasthttp.ResponseHeader
}

// do sends a request whose headers are names and values in turn.
func (c *client) do(method, path, body string, headers ...string) answer {
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, nil, nil)
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI(path)
	ctx.Request.SetBodyString(body)
	for i := 0; i < len(headers); i += 2 {
		ctx.Request.Header.Set(headers[i], headers[i+1])
	}
	c.api.Answer(c.server, &ctx, []byte(path))
	return answer{ctx.Response.StatusCode(), string(ctx.Response.Body()), &ctx.Response.Header}
}

func (c *client) infer(path, body string, headers ...string) answer {
	return c.do("POST", path, body, headers...)
}

// binary sends JSON and the bytes of tensors.
func (c *client) binary(path, json string, tensors ...string) answer {
	return c.infer(path, json+strings.Join(tensors, ""), "Inference-Header-Content-Length", strconv.Itoa(len(json)))
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

func (a answer) wantError(t *testing.T, status int, text string) {
	t.Helper()
	a.want(t, status, `{"error":`+strconv.Quote(text)+`}`)
}

// split cuts a binary answer into its JSON and the bytes behind it.
func (a answer) split(t *testing.T) (json, tensors string) {
	t.Helper()
	n, err := strconv.Atoi(string(a.header.Peek("Inference-Header-Content-Length")))
	if err != nil || n > len(a.body) || string(a.header.ContentType()) != "application/octet-stream" {
		t.Fatalf("%v, %d %s, %s", err, a.status, a.body, a.header.ContentType())
	}
	return a.body[:n], a.body[n:]
}

// floats is the binary form of a tensor.
func floats(values ...float32) string {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

// texts is the binary form of strings.
func texts(values ...string) string {
	var b []byte
	for _, v := range values {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
	}
	return string(b)
}
