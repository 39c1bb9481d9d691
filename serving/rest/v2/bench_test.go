package v2_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"shoal/batcher"
	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/serving/rest/v2"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// quick is a model that answers at once with 10 floats to a row of 128.
func quick(rows int) *servingtest.Core[*servingtest.Model] {
	out := []tensor.Tensor{servingtest.Floats(tensor.Shape{int64(rows), 10}, make([]float32, 10*rows)...)}
	m := &servingtest.Model{
		Signatures: map[string]*tensor.Signature{"serving_default": {
			Name: "serving_default", Inputs: []tensor.Spec{spec("x", tensor.Float32, -1, 128)}, Outputs: []tensor.Spec{spec("y", tensor.Float32, -1, 10)},
		}},
		Compute: func(context.Context, batcher.Entry) ([]tensor.Tensor, error) { return out, nil },
	}
	return &servingtest.Core[*servingtest.Model]{Loaded: map[string]map[int64]*servingtest.Model{"m": {1: m}}}
}

// requests are one prediction in each form.
func requests(rows int) map[string]*fasthttp.RequestCtx {
	data := strings.TrimSuffix(strings.Repeat("0.5317684,", 128*rows), ",")
	row := "[" + strings.TrimSuffix(strings.Repeat("0.5317684,", 128), ",") + "],"
	head := fmt.Sprintf(`{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[%d,128],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}`, rows, 512*rows)
	make := func(path, body string, json int) *fasthttp.RequestCtx {
		ctx := new(fasthttp.RequestCtx)
		ctx.Init(new(fasthttp.Request), nil, nil)
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI(path)
		ctx.Request.SetBodyString(body)
		if json > 0 {
			ctx.Request.Header.Set("Inference-Header-Content-Length", strconv.Itoa(json))
		}
		return ctx
	}
	return map[string]*fasthttp.RequestCtx{
		"predict": make("/v1/models/m:predict", `{"instances":[`+strings.TrimSuffix(strings.Repeat(row, rows), ",")+"]}", 0),
		"json":    make("/v2/models/m/infer", fmt.Sprintf(`{"inputs":[{"name":"x","shape":[%d,128],"datatype":"FP32","data":[%s]}]}`, rows, data), 0),
		"binary":  make("/v2/models/m/infer", head+strings.Repeat("\x00\x00\x00\x3f", 128*rows), len(head)),
	}
}

// handlers answer requests by their path.
func handlers(rows int) func(*fasthttp.RequestCtx) {
	core := quick(rows)
	one, two := v1.New(v1.Options{Core: core}), v2.New(v2.Options{Core: core})
	server := rest.New(rest.Options{Core: core, APIs: []rest.API{one, two}, Timeout: time.Minute})
	return func(c *fasthttp.RequestCtx) {
		if path := c.RequestURI(); two.Owns(path) {
			two.Answer(server, c, path)
		} else {
			one.Answer(server, c, path)
		}
		c.Response.Header.Reset()
		c.Response.SwapBody(c.Response.SwapBody(nil)[:0])
	}
}

// BenchmarkInfer compares the forms of a prediction, without HTTP and without a model.
func BenchmarkInfer(b *testing.B) {
	for _, rows := range []int{1, 64} {
		handle := handlers(rows)
		for name, c := range requests(rows) {
			b.Run(fmt.Sprintf("rows=%d/%s", rows, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					handle(c)
				}
			})
		}
	}
}

// What a request allocates does not grow with its tensors.
func TestAllocations(t *testing.T) {
	for _, name := range []string{"json", "binary"} {
		measure := func(rows int) float64 {
			c, handle := requests(rows)[name], handlers(rows)
			return testing.AllocsPerRun(200, func() { handle(c) })
		}
		few, many := measure(1), measure(64)
		t.Logf("%s: %v and %v allocations", name, few, many)
		if few > 25 || many > few+5 {
			t.Errorf("%s: %v allocations for 1 row, %v for 64", name, few, many)
		}
	}
}
