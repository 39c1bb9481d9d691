package rest_test

import (
	"strings"
	"testing"

	"shoal/serving/rest"
)

// TestSmuggling sends what a proxy in front could read as other requests than this server does. Each is answered with 400, and
// the connection is closed, so that nothing that follows on it is taken for a request.
func TestSmuggling(t *testing.T) {
	s := start(t, rest.Options{})
	const (
		body  = `{"instances": [1]}`
		line  = "POST " + predictURL + " HTTP/1.1\r\n"
		host  = "Host: x\r\n"
		next  = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		whole = "12\r\n" + body + "\r\n0\r\n\r\n"
	)
	chunked := func(coding string) string { return line + host + coding + "\r\n" + whole + next }
	for name, request := range map[string]string{
		"length and chunked":           line + host + "Content-Length: 18\r\nTransfer-Encoding: chunked\r\n\r\n" + whole + next,
		"chunked and length":           line + host + "Transfer-Encoding: chunked\r\nContent-Length: 18\r\n\r\n" + whole + next,
		"two lengths":                  line + host + "Content-Length: 18\r\nContent-Length: 3\r\n\r\n" + body + next,
		"two lengths, the other order": line + host + "Content-Length: 3\r\nContent-Length: 18\r\n\r\n" + body + next,
		"two lengths in a list":        line + host + "Content-Length: 18, 3\r\n\r\n" + body + next,
		"signed length":                line + host + "Content-Length: +18\r\n\r\n" + body + next,
		"hexadecimal length":           line + host + "Content-Length: 0x12\r\n\r\n" + body + next,
		"length with a blank":          line + host + "Content-Length: 1 8\r\n\r\n" + body + next,
		"blank before the colon":       line + host + "Content-Length : 18\r\n\r\n" + body + next,
		"blank before the coding":      line + host + "Transfer-Encoding : chunked\r\n\r\n" + whole + next,
		"xchunked":                     chunked("Transfer-Encoding: xchunked\r\n"),
		"vertical tab, chunked":        chunked("Transfer-Encoding: \x0bchunked\r\n"),
		"chunked, identity":            chunked("Transfer-Encoding: chunked, identity\r\n"),
		"identity":                     chunked("Transfer-Encoding: identity\r\n"),
		"gzip, chunked":                chunked("Transfer-Encoding: gzip, chunked\r\n"),
		"chunked twice":                chunked("Transfer-Encoding: chunked, chunked\r\n"),
		"second coding header":         chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
		"second chunked header":        chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
		"folded coding":                chunked("Transfer-Encoding:\r\n chunked\r\n"),
		"empty coding":                 line + host + "Transfer-Encoding: \r\nContent-Length: 18\r\n\r\n" + body + next,
		"quoted coding":                chunked("Transfer-Encoding: \"chunked\"\r\n"),
		"hexadecimal chunk size":       line + host + "Transfer-Encoding: chunked\r\n\r\n0x12\r\n" + body + "\r\n0\r\n\r\n" + next,
		"signed chunk size":            line + host + "Transfer-Encoding: chunked\r\n\r\n+12\r\n" + body + "\r\n0\r\n\r\n" + next,
		"chunk size with a blank":      line + host + "Transfer-Encoding: chunked\r\n\r\n1 2\r\n" + body + "\r\n0\r\n\r\n" + next,
		"huge chunk size":              line + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000012\r\n" + body + "\r\n0\r\n\r\n" + next,
		"LF in a chunk extension":      line + host + "Transfer-Encoding: chunked\r\n\r\n12;a\nb\r\n" + body + "\r\n0\r\n\r\n" + next,
		"LF after a chunk size":        line + host + "Transfer-Encoding: chunked\r\n\r\n12\n" + body + "\r\n0\r\n\r\n" + next,
		"LF after a chunk":             line + host + "Transfer-Encoding: chunked\r\n\r\n12\r\n" + body + "\n0\r\n\r\n" + next,
		"chunk without an end":         line + host + "Transfer-Encoding: chunked\r\n\r\n12\r\n" + body + "xx0\r\n\r\n" + next,
		"LF after a header line":       line + "Host: x\nContent-Length: 18\r\n\r\n" + body + next,
		"LF after the headers":         line + host + "Content-Length: 18\r\n\n" + body + next,
		"CR in a header value":         line + host + "X: a\rb\r\nContent-Length: 18\r\n\r\n" + body + next,
		"NUL in a header value":        line + host + "X: a\x00b\r\nContent-Length: 18\r\n\r\n" + body + next,
		"NUL in a header name":         line + host + "X\x00: a\r\nContent-Length: 18\r\n\r\n" + body + next,
		"header line without a colon":  line + host + "X\r\nContent-Length: 18\r\n\r\n" + body + next,
		"header line without a name":   line + host + ": x\r\nContent-Length: 18\r\n\r\n" + body + next,
		"folded header line":           line + host + "X: a\r\n b\r\nContent-Length: 18\r\n\r\n" + body + next,
		"first header line is folded":  line + " X: a\r\n" + host + "Content-Length: 18\r\n\r\n" + body + next,
		"no host":                      line + "Content-Length: 18\r\n\r\n" + body + next,
		"unknown version":              "POST " + predictURL + " HTTP/9.9\r\n" + host + "Content-Length: 18\r\n\r\n" + body + next,
		"empty host":                   line + "Host:\r\nContent-Length: 18\r\n\r\n" + body + next,
		"two hosts":                    line + host + "Host: y\r\nContent-Length: 18\r\n\r\n" + body + next,
		"the same host twice":          line + host + host + "Content-Length: 18\r\n\r\n" + body + next,
		"host with a path":             line + "Host: x/y\r\nContent-Length: 18\r\n\r\n" + body + next,
		"HTTP/1.0 and chunked":         "POST " + predictURL + " HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + whole + next,
		"three words and a version":    "POST " + predictURL + " x HTTP/1.1\r\n" + host + "Content-Length: 18\r\n\r\n" + body + next,
		"no version":                   "GET /healthz\r\n" + host + "\r\n" + next,
		"smuggled trailer":             line + host + "Transfer-Encoding: chunked\r\n\r\n12\r\n" + body + "\r\n0\r\nContent-Length: 18\r\n\r\n" + next,
	} {
		t.Run(name, func(t *testing.T) {
			got := s.raw(request)
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close") ||
				!strings.Contains(got, `{`+"\n"+`    "error": "Malformed HTTP request`) {
				t.Errorf("%q", got)
			}
		})
	}
	// What is right, if unusual.
	for name, request := range map[string]string{
		"upper case":        line + host + "transfer-encoding: CHUNKED\r\n\r\n" + whole,
		"chunk extension":   line + host + "Transfer-Encoding: chunked\r\n\r\n12;a=b\r\n" + body + "\r\n0\r\n\r\n",
		"leading zeros":     line + host + "Transfer-Encoding: chunked\r\n\r\n0012\r\n" + body + "\r\n0\r\n\r\n",
		"trailer":           line + host + "Transfer-Encoding: chunked\r\n\r\n12\r\n" + body + "\r\n0\r\nX: y\r\n\r\n",
		"empty line before": "\r\n" + line + host + "Content-Length: 18\r\n\r\n" + body,
		"absolute form":     "POST http://x" + predictURL + " HTTP/1.1\r\n" + host + "Content-Length: 18\r\n\r\n" + body,
	} {
		t.Run(name, func(t *testing.T) {
			got := s.raw(request + next)
			if strings.Count(got, "HTTP/1.1 200 ") != 2 {
				t.Errorf("%q", got)
			}
		})
	}
}
