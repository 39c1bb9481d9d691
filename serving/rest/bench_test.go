package rest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/rest"
	"shoal/tensor"
)

// ready is a model that answers at once with outputs made before.
type ready struct {
	*fakeServable
	answer batcher.Answer
}

func (r *ready) Run(context.Context, batcher.Entry) (*batcher.Answer, error) {
	return &r.answer, nil
}

// readyCore has the one model, with out floats to an answer.
type readyCore struct {
	serving.Core
	servable ready
}

func (c *readyCore) Handle(serving.ModelSpec) (*serving.Handle, error) {
	return serving.NewHandle(&c.servable, "half_plus_two", 1, nil), nil
}

func newReadyCore(out int) *readyCore {
	c := &readyCore{servable: ready{fakeServable: halfPlusTwo(2)}}
	data := make([]byte, 4*out)
	for i := range data {
		data[i] = byte(i*37)&0x3f | 0x20
	}
	c.servable.answer = batcher.Answer{BatchRows: 8,
		Outputs: []tensor.Tensor{{DType: tensor.Float32, Shape: tensor.Shape{1, int64(out)}, Data: data}}}
	return c
}

// benchRequest is a prediction for rows instances of 128 floats, about 10 bytes each.
func benchRequest(rows int) string {
	var row strings.Builder
	for i := range 128 {
		fmt.Fprintf(&row, "%s%.7f", strings.Repeat(", ", min(i, 1)), float64(i*7919%1000)/997)
	}
	body := `{"instances": [` + strings.Repeat("["+row.String()+"], ", rows-1) + "[" + row.String() + "]]}"
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost:8501\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		predictURL, len(body), body)
}

// exchange measures requests over connections in memory: the client writes the same bytes and reads as many as the first
// answer had.
func exchange(b *testing.B, ln *fasthttputil.InmemoryListener, request string) {
	b.Helper()
	dial := func() net.Conn {
		c, err := ln.Dial()
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	first := dial()
	defer first.Close()
	go func() { _, _ = io.WriteString(first, request) }()
	var seen strings.Builder
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(first, &seen)), nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		b.Fatal(resp.StatusCode, err)
	}
	size := seen.Len()
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := dial()
		defer c.Close()
		out, in := []byte(request), make([]byte, size)
		for pb.Next() {
			if _, err := c.Write(out); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadAtLeast(c, in, size); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPredict is the whole server with a model that costs nothing, beside a bare Fiber handler that reads the same
// body and answers as many bytes.
func BenchmarkPredict(b *testing.B) {
	for _, rows := range []int{1, 64} {
		request := benchRequest(rows)
		core := newReadyCore(10 * rows)
		b.Run(fmt.Sprintf("rows=%d/shoal", rows), func(b *testing.B) {
			s, ln := newServer(rest.Options{Core: core, Timeout: 30 * time.Second}), fasthttputil.NewInmemoryListener()
			go func() { _ = s.Serve(ln) }()
			exchange(b, ln, request)
			if err := s.Shutdown(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
		b.Run(fmt.Sprintf("rows=%d/echo", rows), func(b *testing.B) {
			app, ln := newEcho(10*9*rows), fasthttputil.NewInmemoryListener()
			go func() { _ = app.Listener(ln) }()
			exchange(b, ln, request)
			if err := app.Shutdown(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func newEcho(size int) *fiber.App {
	answer := []byte(strings.Repeat("x", size))
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/*", func(c *fiber.Ctx) error {
		if len(c.Request().Body()) == 0 {
			return fiber.ErrBadRequest
		}
		c.Response().Header.SetContentType(rest.ContentJSON)
		return c.Send(answer)
	})
	return app
}

// handlerContext is a request that has been read, without a connection.
func handlerContext(tb testing.TB, request string) *fasthttp.RequestCtx {
	tb.Helper()
	var c fasthttp.RequestCtx
	c.Init(&fasthttp.Request{}, nil, nil)
	if err := c.Request.Read(bufio.NewReader(strings.NewReader(request))); err != nil {
		tb.Fatal(err)
	}
	return &c
}

// BenchmarkHandler leaves the reading and writing of HTTP out.
func BenchmarkHandler(b *testing.B) {
	s, echo := newServer(rest.Options{Core: newReadyCore(10), Timeout: 30 * time.Second}), newEcho(90)
	for name, h := range map[string]fasthttp.RequestHandler{"shoal": s.Handler(), "echo": echo.Handler()} {
		b.Run(name, func(b *testing.B) {
			c := handlerContext(b, benchRequest(1))
			b.ReportAllocs()
			for b.Loop() {
				h(c)
				c.Response.Reset()
			}
		})
	}
}

// TestAllocations: what a request allocates does not grow with its body or its answer.
func TestAllocations(t *testing.T) {
	measure := func(rows int) float64 {
		s := newServer(rest.Options{Core: newReadyCore(10 * rows), Timeout: 30 * time.Second})
		c, handle := handlerContext(t, benchRequest(rows)), s.Handler()
		return testing.AllocsPerRun(200, func() {
			handle(c)
			if c.Response.StatusCode() != 200 {
				t.Fatalf("%s", c.Response.Body())
			}
			c.Response.Header.Reset()
			c.Response.SwapBody(c.Response.SwapBody(nil)[:0]) // Reset would give the buffer to a pool that the collector empties
		})
	}
	few, many := measure(1), measure(64)
	t.Logf("%v and %v allocations", few, many)
	if few > 25 || many > few+5 {
		t.Errorf("%v allocations for 1 row, %v for 64", few, many)
	}
}
