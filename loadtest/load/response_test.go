package load

import (
	"strings"
	"testing"
)

func TestParseResponse(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nShoal-Batch-Size: 8\r\nServer-Timing: decode;dur=0.012, queue;dur=1.5, cache, run;dur=12.0, encode;dur=0.0019\r\n\r\n{}"
	for name, c := range map[string]struct {
		in     string
		eof    bool
		code   int
		body   string
		closes bool
		fails  bool
	}{
		"length":         {in: ok, code: 200, body: "{}"},
		"more behind it": {in: ok + "HTTP", code: 200, body: "{}"},
		"error":          {in: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", code: 503, closes: true},
		"chunks":         {in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", code: 200, body: "abcde"},
		"trailers":       {in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", code: 200, body: "a"},
		"until the end":  {in: "HTTP/1.0 200 OK\r\n\r\nall of it", eof: true, code: 200, body: "all of it", closes: true},
		"no content":     {in: "HTTP/1.1 204 No Content\r\n\r\n", code: 204},
		"not HTTP":       {in: "SSH-2.0-OpenSSH_9.2 and more\r\n\r\n", fails: true},
		"bad length":     {in: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", fails: true},
		"bad chunk":      {in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", fails: true},
		"endless head":   {in: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead), fails: true},
		"cut off head":   {in: "HTTP/1.1 200", eof: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, n, _, err := parseResponse([]byte(c.in), c.eof)
			if c.fails {
				if err == nil {
					t.Errorf("read as %+v", r)
				}
				return
			}
			if err != nil || n == 0 || r.code != c.code || string(r.body) != c.body || r.close != c.closes {
				t.Fatalf("code %d, body %q, closes %v, length %d, error %v", r.code, r.body, r.close, n, err)
			}
			if c.eof {
				return
			}
			for cut := range n { // each shorter piece is not enough, and no error
				if _, length, need, err := parseResponse([]byte(c.in[:cut]), false); length != 0 || err != nil || need > n {
					t.Fatalf("%q: length %d, need %d, error %v", c.in[:cut], length, need, err)
				}
			}
		})
	}
	r, _, _, _ := parseResponse([]byte(ok), false)
	if want := (ServerTimes{Batch: 8, Decode: 12, Queue: 1500, Run: 12000, Encode: 1}); r.server != want {
		t.Errorf("%+v, want %+v", r.server, want)
	}
}
