package rest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"shoal/serving/rest"
)

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGzipRequest(t *testing.T) {
	s := start(t, rest.Options{MaxRequestBytes: 4096})
	send := func(encoding, body string) answer {
		t.Helper()
		return s.do("POST", predictURL, body, "Content-Encoding", encoding)
	}
	small := gzipped(t, one)
	send("gzip", small).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	send("GZIP", small).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	send("X-Gzip, identity", small).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	const notGzip = "The request body is not what its Content-Encoding says: "
	for bad, why := range map[string]string{
		one:                               "gzip: invalid header",
		small[:len(small)-6]:              "unexpected EOF",
		small[:12]:                        "unexpected EOF",
		small[:len(small)-8] + "12345678": "gzip: invalid checksum",
		small[:12] + "\xff" + small[13:]:  "",
	} {
		if a := send("gzip", bad); a.status != 400 || !strings.Contains(a.body, notGzip+why) {
			t.Errorf("%d %s, want %s", a.status, a.body, why)
		}
	}
	send("gzip", "").wantError(t, 400, "JSON Parse error: The document is empty")
	for _, encoding := range []string{"identity", "UTF-8", ""} {
		send(encoding, one).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	}
	for _, encoding := range []string{"br", "deflate", "gzip, br", "gzip, gzip"} {
		if a := send(encoding, small); a.status != 415 || !strings.Contains(a.body, "is not supported: send the body as gzip or as it is") {
			t.Errorf("%s: %d %s", encoding, a.status, a.body)
		}
	}
	exact := one + strings.Repeat(" ", 4096-len(one))
	send("gzip", gzipped(t, exact)).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	const tooLarge = "The request body is larger than --max_request_bytes=4096 allows"
	send("gzip", gzipped(t, exact+" ")).wantError(t, 413, tooLarge)
	bomb := gzipped(t, strings.Repeat(" ", 3<<20))
	if len(bomb) > 4096 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	send("gzip", bomb).wantError(t, 413, tooLarge)
	send("gzip", small).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
}

func TestGzipAnswer(t *testing.T) {
	core := newFakeCore()
	s := start(t, rest.Options{Core: core})
	plain := func(a answer) string {
		t.Helper()
		if a.header.Get("Content-Encoding") != "gzip" {
			return a.body
		}
		z, err := gzip.NewReader(strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	core.Loaded["half_plus_two"][2].repeat = 500
	want := s.post(predictURL, one)
	if want.header.Get("Content-Encoding") != "" || want.header.Get("Vary") != "Accept-Encoding" || len(want.body) < rest.MinDeflate {
		t.Fatalf("unasked: %v, %d bytes", want.header, len(want.body))
	}
	for range 3 { // the pools are used again
		a := s.do("POST", predictURL, one, "Accept-Encoding", "gzip, deflate")
		if a.header.Get("Content-Encoding") != "gzip" || len(a.body) >= len(want.body)/4 || plain(a) != want.body {
			t.Fatalf("%d bytes: %v", len(a.body), a.header)
		}
		a.wantJSON(t)
	}
	core.Loaded["half_plus_two"][2].repeat = 1
	if a := s.do("POST", predictURL, one, "Accept-Encoding", "gzip"); a.header.Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "*": true, "deflate, br": false, "br, gzip;q=0.5": true, "gzip;q=0": false,
		"gzip; q=0.000, br": false, "gzip;q=0.001": true, "identity, *;q=0": false, "gzipped": false, ",,;": false,
	} {
		if got := rest.AcceptsGzip([]byte(header)); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
