package rest

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"shoal/internal/ascii"
)

// misframed returns why a request's headers are ambiguous, or "" if they are not. With ambiguous headers, a proxy before this
// server may see other requests in the same bytes. misframed rejects headers that fasthttp accepts: RFC 9112 allows a server to
// be lenient, but a lenient server cannot know that all proxies before it are lenient in the same way.
func misframed(h *fasthttp.RequestHeader) string {
	if p := string(h.Protocol()); p != "HTTP/1.1" && p != "HTTP/1.0" {
		return "its version is neither 1.0 nor 1.1"
	}
	coding, length := false, false
	for raw := h.RawHeaders(); len(raw) > 0; {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return "a header line does not end in CR LF"
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		switch line[0] {
		case ' ', '\t':
			return "a header line is folded"
		case 't', 'T':
			coding = coding || isField(line, "transfer-encoding")
		case 'c', 'C':
			length = length || isField(line, "content-length")
		}
	}
	switch {
	case coding && length:
		return "both Transfer-Encoding and Content-Length are given"
	case coding && h.ContentLength() != -1:
		return "the only Transfer-Encoding is chunked"
	}
	return ""
}

// isField reports whether a header line is the field's; lower is its name in lower case.
func isField(line []byte, lower string) bool {
	return len(line) > len(lower) && line[len(lower)] == ':' && ascii.EqualFold(line[:len(lower)], lower)
}
