package rest

import (
	"bufio"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// BenchmarkInspect is what looking at a small request's headers once more costs.
func BenchmarkInspect(b *testing.B) {
	s := New(Options{})
	var h fasthttp.RequestHeader
	const request = "POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: localhost:8501\r\nUser-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\n" +
		"Accept: */*\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n"
	if err := h.Read(bufio.NewReader(strings.NewReader(request))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.inspect(&h)
	}
	if h.ConnectionClose() {
		b.Error("refused")
	}
}
