package rest_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"shoal/internal/testlog"
	"shoal/serving/rest"
	"shoal/tensor"
)

const mib = 1 << 20

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if now := <-tick.C; now.After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// Memory follows what has arrived of a body, whatever its length is said to be, and all of it is given back.
func TestMemoryFollowsArrival(t *testing.T) {
	budget := tensor.NewBudget(64 * mib)
	s := start(t, rest.Options{Budget: budget})
	head := "POST " + predictURL + " HTTP/1.1\r\nHost: x\r\n"
	var open []net.Conn
	for i := range 20 {
		c := s.dial()
		defer c.Close()
		open = append(open, c)
		if i%2 == 0 {
			fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s", head, 40*mib, strings.Repeat(" ", 20_000))
		} else {
			fmt.Fprintf(c, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", head, 40*mib, strings.Repeat(" ", 20_000))
		}
	}
	eventually(t, "what was sent has been read", func() bool { return budget.Used() == 20*64<<10 })
	for _, c := range open {
		c.Close()
	}
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })

	large := one + strings.Repeat(" ", 20*mib)
	for _, body := range []string{large, one} {
		s.post(predictURL, body).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	}
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
}

// Over the budget a request is refused at once, and may be sent again; a small one finds room. What never fits is too large.
func TestOverBudget(t *testing.T) {
	budget := tensor.NewBudget(64 * mib)
	s := start(t, rest.Options{Budget: budget})
	large := one + strings.Repeat(" ", 30*mib)
	held := s.dial()
	defer held.Close()
	fmt.Fprintf(held, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", predictURL, 20*mib, strings.Repeat(" ", 18*mib))
	eventually(t, "what was sent has been read", func() bool { return budget.Used() >= 18*mib })

	a := s.post(predictURL, large)
	if a.status != 503 || a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, "--max_inflight_bytes=67108864") {
		t.Errorf("%+v", a)
	}
	if got := s.raw("POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("%q", got)
	}
	if a := s.post(predictURL, one+strings.Repeat(" ", 49*mib)); a.status != 413 || !strings.Contains(a.body, "three quarters of --max_inflight_bytes") {
		t.Errorf("%+v", a)
	}
	s.post(predictURL, one).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	if budget.Refused() < 3 {
		t.Errorf("%d refusals are counted", budget.Refused())
	}
	held.Close()
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
	s.post(predictURL, one+strings.Repeat(" ", 20*mib)).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
}

// What a body becomes counts as well: inflated, and as tensors.
func TestOverBudgetInflated(t *testing.T) {
	budget := tensor.NewBudget(16 * mib)
	s := start(t, rest.Options{Budget: budget})
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.WriteString(z, one+strings.Repeat(" ", 40*mib))
	z.Close()
	numbers := `{"instances": [1` + strings.Repeat(",1", 3*mib) + `]}` // 6 MiB, and 12 as floats
	for _, a := range []answer{s.do("POST", predictURL, bomb.String(), "Content-Encoding", "gzip"), s.post(predictURL, numbers)} {
		if a.status != 413 && a.status != 503 || !strings.Contains(a.body, "--max_inflight_bytes") {
			t.Errorf("%.300v", a)
		}
	}
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
}

// Paths and methods that take no body are refused before it is read, and the answer is there while the client still sends.
func TestUnwantedBody(t *testing.T) {
	s := start(t, rest.Options{Budget: tensor.NewBudget(1)}) // nothing can be read
	for _, line := range []string{"GET /healthz", "POST /x", "POST /v1/models/m", "PUT " + predictURL, "GET /v1/models", "BREW /"} {
		for _, length := range []string{"Content-Length: 100000000", "Transfer-Encoding: chunked", "Expect: 100-continue\r\nContent-Length: 100000000"} {
			got := s.raw(line + " HTTP/1.1\r\nHost: x\r\n" + length + "\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 ") || !strings.Contains(got, "Connection: close") || strings.Contains(got, "100 Continue") {
				t.Errorf("%s, %s: %q", line, length, got)
			}
		}
	}
}

// An answer counts until its reader has taken it.
func TestAnswerOfASlowReader(t *testing.T) {
	budget := tensor.NewBudget(256 * mib)
	s := start(t, rest.Options{Budget: budget})
	body := `{"instances": [1` + strings.Repeat(",1", 4*mib) + `]}` // the answer is larger than the sockets' buffers
	c := s.dial()
	defer c.Close()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", predictURL, len(body), body)
	first := make([]byte, 15)
	if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200 OK" {
		t.Fatalf("%q, %v", first, err)
	}
	if used := budget.Used(); used < 16*mib {
		t.Errorf("%d bytes are held for an answer of 16 MiB", used)
	}
	go io.Copy(io.Discard, c)
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
}

// A request that stalls is answered, one whose answer stalls is cut off, and one that works is left alone.
func TestWatchCutsOff(t *testing.T) {
	for _, stalls := range []string{"head", "body", "chunk", "reader"} {
		t.Run(stalls, func(t *testing.T) {
			core := newFakeCore()
			s := start(t, rest.Options{Core: core, MinTransferRate: 1000, Logger: new(testlog.Log).Logger()})
			c := s.dial()
			defer c.Close()
			large := `{"instances": [1` + strings.Repeat(",1", 4*mib) + `]}`
			io.WriteString(c, map[string]string{
				"head":   "POST " + predictURL + " HTTP/1.1\r\nHost: ",
				"body":   "POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
				"chunk":  "POST " + predictURL + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
				"reader": fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", predictURL, len(large), large),
			}[stalls])
			eventually(t, "the server waits for the client", func() bool { return s.CutOff(stalls == "reader") })
			b, err := io.ReadAll(c)
			switch {
			case stalls == "reader" && err == nil && bytes.HasSuffix(b, []byte("]}")):
				t.Error("the answer was sent")
			case stalls != "reader" && !bytes.Contains(b, []byte("408 Request Timeout")) || stalls != "reader" && !bytes.Contains(b, []byte("--min_transfer_rate=1000")):
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}
