package rest_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"shoal/serving/rest"
)

func TestTooLarge(t *testing.T) {
	s := start(t, rest.Options{MaxRequestBytes: 1000})
	const text = "The request body is larger than --max_request_bytes=1000 allows"
	body := one + strings.Repeat(" ", 1000-len(one))
	s.post(predictURL, body).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	s.post(predictURL, body+" ").wantError(t, 413, text)

	// A client that sends everything before it reads gets its answer too, however the length is told.
	large := strings.Repeat("x", 8<<20)
	for _, reader := range []io.Reader{strings.NewReader(large), io.MultiReader(strings.NewReader(large))} {
		resp, err := s.http.Post("http://"+s.addr+predictURL, "", reader)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		answer{resp.StatusCode, resp.Header, string(b)}.wantError(t, 413, text)
	}
	for _, request := range []string{
		"Content-Length: 5000\r\n\r\n",
		"Content-Length: 999999999999\r\n\r\n",
		"Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n" + strings.Repeat("x", 1001),
		"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + strings.Repeat("x", 1000) + "\r\n1\r\nx\r\n",
	} {
		// Not a byte more is waited for.
		got := s.raw("POST " + predictURL + " HTTP/1.1\r\nHost: x\r\n" + request)
		if !strings.Contains(got, "HTTP/1.1 413 ") || !strings.Contains(got, text) || !strings.Contains(got, "Connection: close") {
			t.Errorf("%q: %q", request[:30], got)
		}
	}
}

func TestChunkedAndContinue(t *testing.T) {
	s := start(t, rest.Options{})
	head := "POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for _, rest := range []string{
		"Transfer-Encoding: chunked\r\n\r\n7\r\n{\"insta\r\n10;ext=1\r\nnces\": [1.0, 5]}\r\n0\r\n\r\n",
		fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n\r\n%s", len(one), one),
	} {
		got := s.raw(head + rest)
		if !strings.Contains(got, "HTTP/1.1 200 ") || !strings.Contains(got, "3.5") || !strings.Contains(got, "5.5") {
			t.Errorf("%q: %q", rest[:20], got)
		}
	}
	if got := s.raw(head + "\r\n"); !strings.Contains(got, "HTTP/1.1 400 ") || !strings.Contains(got, "The document is empty") {
		t.Errorf("no body at all: %q", got)
	}
}

// TestPipeline sends requests without waiting; their answers come in order, on one connection.
func TestPipeline(t *testing.T) {
	s := start(t, rest.Options{})
	var b strings.Builder
	for i := range 5 {
		body := fmt.Sprintf(`{"instances": [%d]}`, 2*i)
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", predictURL, len(body), body)
	}
	got := s.raw(b.String() + "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	at := 0
	for _, want := range []string{"3.0", "4.0", "5.0", "6.0", "7.0", `"ok"`} {
		i := strings.Index(got[at:], want)
		if i < 0 {
			t.Fatalf("%s is missing or out of order: %q", want, got)
		}
		at += i
	}
}

func TestMalformedHTTP(t *testing.T) {
	s := start(t, rest.Options{})
	for name, c := range map[string]struct{ request, status, text string }{
		"garbage":          {"\x00\x01\x02\r\n\r\n", "400", "Malformed HTTP request"},
		"negative length":  {"POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400", "Malformed HTTP request"},
		"length no number": {"POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", "400", "Malformed HTTP request"},
		"bad chunk":        {"POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400", "Malformed HTTP request"},
		"broken chunk":     {"POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "400", "Malformed HTTP request"},
		"long header":      {"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 2*rest.MaxHeaderBytes), "431", "larger than 16384 bytes"},
		"long URL":         {"GET /" + strings.Repeat("a", 2*rest.MaxHeaderBytes), "431", "larger than 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.raw(c.request)
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || !strings.Contains(got, c.text) ||
				!strings.Contains(got, "Content-Type: application/json") || !strings.Contains(got, "{\n    \"error\": ") {
				t.Errorf("%q", got)
			}
		})
	}
	for _, cut := range []string{"", "GET", "GET /healthz HTTP/1.1\r\nHost", "POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"} {
		c := s.dial()
		if _, err := io.WriteString(c, cut); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if a := s.get("/healthz"); a.status != 200 {
		t.Errorf("the server is not well: %+v", a)
	}
}

// TestNoise throws bytes at the server that are nearly HTTP; it must keep answering.
func TestNoise(t *testing.T) {
	s := start(t, rest.Options{})
	r := rand.New(rand.NewPCG(1, 2))
	request := "POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{\"ins\r\n0\r\n\r\n"
	for range 300 {
		b := []byte(request)
		for range 1 + r.IntN(6) {
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
		c := s.dial()
		_, _ = c.Write(b[:r.IntN(len(b)+1)])
		c.Close()
	}
	s.post(predictURL, one).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
}

func TestHead(t *testing.T) {
	s := start(t, rest.Options{})
	if a := s.do("HEAD", "/v1/models/half_plus_two", ""); a.status != 400 || a.body != "" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestHTTP10(t *testing.T) {
	s := start(t, rest.Options{})
	if got := s.raw("GET /healthz HTTP/1.0\r\n\r\n"); !strings.Contains(got, " 200 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("%q", got)
	}
}

func TestCORS(t *testing.T) {
	with, without := start(t, rest.Options{CORS: true}), start(t, rest.Options{})
	allow := map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST, GET", "Access-Control-Allow-Headers": "Content-Type"}
	for _, c := range []struct {
		method, target, body, origin string
		status                       int
		empty                        bool
	}{
		{"POST", predictURL, one, "", 200, false},
		{"POST", "/v1/models/nope:predict", one, "", 404, false},
		{"GET", "/v1/models/half_plus_two", "", "", 200, false},
		{"GET", "/nowhere", "", "", 404, false},
		{"BREW", "/v1/models", "", "", 400, false},
		{"OPTIONS", predictURL, "", "http://example.com", 200, true},
		{"OPTIONS", "/v1/anything", "", "https://example.com", 200, true},
		{"OPTIONS", predictURL, "", "", 400, true},
		{"OPTIONS", predictURL, "", "example.com", 400, true},
		{"OPTIONS", "/nowhere", "", "http://example.com", 404, false},
	} {
		for _, s := range []*testServer{with, without} {
			a := s.do(c.method, c.target, c.body, "Origin", c.origin)
			if a.status != c.status || (a.body == "") != c.empty {
				t.Errorf("%s %s %q: %d %q", c.method, c.target, c.origin, a.status, a.body)
			}
			for name, value := range allow {
				if got := a.header.Get(name); (s == with && got != value) || (s == without && got != "") {
					t.Errorf("%s %s: %s: %q", c.method, c.target, name, got)
				}
			}
			if ct := a.header.Get("Content-Type"); c.empty && ct != "" {
				t.Errorf("%s %s: Content-Type %q of nothing", c.method, c.target, ct)
			}
		}
	}
	if got := with.raw("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"); !strings.Contains(got, "Access-Control-Allow-Origin: *") {
		t.Errorf("a protocol error has no CORS headers: %q", got)
	}
}

func TestExtraPaths(t *testing.T) {
	s := start(t, rest.Options{Paths: map[string]fiber.Handler{
		"/metrics":   func(c *fiber.Ctx) error { return c.SendString("up 1\n") },
		"/fails":     func(c *fiber.Ctx) error { return fiber.NewError(http.StatusTeapot, "short and stout") },
		"/v1/models": func(c *fiber.Ctx) error { return c.SendString("hidden") },
	}})
	if a := s.get("/metrics?x"); a.status != 200 || a.body != "up 1\n" {
		t.Errorf("%+v", a)
	}
	s.get("/fails").wantError(t, http.StatusTeapot, "short and stout")
	if a := s.get("/v1/models/half_plus_two"); a.status != 200 {
		t.Errorf("%+v", a)
	}
}

// TestMemoryOfManyRefusals checks that refused bodies are not kept.
func TestMemoryOfManyRefusals(t *testing.T) {
	s := start(t, rest.Options{MaxRequestBytes: 64 << 20})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 50 {
		s.raw("POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("refusing allocated %d MiB", grown>>20)
	}
}
