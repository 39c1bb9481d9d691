package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// behave is a server whose answer depends on the body: "ok", "refuse", "wrong", "hang" or "break".
func behave(t *testing.T, secure bool) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var served atomic.Int64
	end := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		body, _ := io.ReadAll(r.Body)
		switch string(body) {
		case "refuse":
			http.Error(w, "full", http.StatusServiceUnavailable)
		case "wrong":
			fmt.Fprint(w, `{"predictions":[2]}`)
		case "hang":
			<-end
		case "break":
			panic(http.ErrAbortHandler)
		case "chunked":
			fmt.Fprint(w, `{"predictions":`)
			w.(http.Flusher).Flush()
			fmt.Fprint(w, `[1]}`)
		default:
			w.Header().Set("Shoal-Batch-Size", "3")
			fmt.Fprint(w, `{"predictions":[1]}`)
		}
	})
	s := httptest.NewUnstartedServer(h)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() { close(end); s.Close() })
	return s, &served
}

func restTarget(t *testing.T, s *httptest.Server, bodies ...string) *REST {
	t.Helper()
	var list []Body
	var right [][]byte
	for _, b := range bodies {
		list = append(list, Body{Data: []byte(b), Rows: 2})
		right = append(right, []byte(`{"predictions":[1]}`))
	}
	check, err := NewAnswers(len(list), right, ParseJSON)
	if err != nil {
		t.Fatal(err)
	}
	var conf *tls.Config
	if c := s.Certificate(); c != nil {
		conf = &tls.Config{RootCAs: x509.NewCertPool()}
		conf.RootCAs.AddCert(c)
	}
	target, err := NewREST(s.URL+"/v1/models/m:predict", list, check, conf)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func attack(t *testing.T, target Target, o Options) *Summary {
	t.Helper()
	a, err := Start(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	return Collect(a, NewRecorder(o, 0), nil)
}

// The lean client and the blocking one must agree; TLS tells them apart.
func bothClients(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("lean", func(t *testing.T) { test(t, false) })
	t.Run("TLS", func(t *testing.T) { test(t, true) })
}

// TestOutcomes: every request is counted once, each kind of failure apart, and only good ones as throughput.
func TestOutcomes(t *testing.T) {
	bothClients(t, func(t *testing.T, secure bool) {
		s, served := behave(t, secure)
		s.Config.ErrorLog = nil
		target := restTarget(t, s, "ok", "refuse", "wrong", "break", "chunked")
		sum := attack(t, target, Options{Clients: 4, Duration: time.Minute, Requests: 50})
		if sum.Good != 20 || sum.Refused != 10 || sum.Wrong != 10 || sum.Broken != 10 || sum.Sent != 50 {
			t.Errorf("good %d, refused %d, wrong %d, broken %d, of %d", sum.Good, sum.Refused, sum.Wrong, sum.Broken, sum.Sent)
		}
		if sum.Codes["503"] != 10 {
			t.Errorf("codes %v", sum.Codes)
		}
		if served.Load() != 50 {
			t.Errorf("%d requests came in", served.Load())
		}
		if sum.Server == nil || sum.Server.Told != 10 || sum.Server.Batch != 3 {
			t.Errorf("server %+v", sum.Server)
		}
	})
}

// TestTimeouts: what is not answered times out, and the requests after it are answered. How long an answer takes is the
// machine's matter: where a good one was late, the same is done with more patience.
func TestTimeouts(t *testing.T) {
	bothClients(t, func(t *testing.T, secure bool) {
		s, _ := behave(t, secure)
		for timeout := 50 * time.Millisecond; ; timeout *= 2 {
			sum := attack(t, restTarget(t, s, "hang", "ok"), Options{Clients: 2, Duration: time.Minute, Requests: 6, Timeout: timeout})
			late := 3 - int(sum.Good)
			if late < 0 || int(sum.TimedOut) != 3+late || late > 0 && timeout > 5*time.Second {
				t.Errorf("%d timed out after %v, %d good", sum.TimedOut, timeout, sum.Good)
			}
			if late <= 0 || t.Failed() {
				return
			}
		}
	})
}

// TestOpenLoop: what is due is sent, and the latency of a request that had to wait for a client counts from when it was due.
func TestOpenLoop(t *testing.T) {
	bothClients(t, func(t *testing.T, secure bool) {
		s, _ := behave(t, secure)
		target := restTarget(t, s, "hang")
		o := Options{Clients: 1, Duration: time.Minute, Requests: 3, Timeout: 40 * time.Millisecond, Pacer: Constant{PerSecond: 1000}}
		a, err := Start(t.Context(), target, o)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for block := range a.Results() {
			for _, r := range block {
				if want := time.Duration(n) * time.Millisecond; r.Due != want {
					t.Errorf("request %d was due at %v", n, r.Due)
				}
				if n++; r.Latency() < time.Duration(n-1)*39*time.Millisecond {
					t.Errorf("request %d waited for %d that timed out before it, and its latency is %v", n, n-1, r.Latency())
				}
				if r.Noticed < r.Due || r.Sent < r.Noticed || r.Done < r.Sent {
					t.Errorf("out of order: %+v", r)
				}
			}
		}
		if n != 3 {
			t.Errorf("%d results", n)
		}
	})
}

// TestBounds: an attack ends with its duration, its requests, its backlog or its context, whichever comes first.
func TestBounds(t *testing.T) {
	bothClients(t, func(t *testing.T, secure bool) {
		s, _ := behave(t, secure)
		t.Run("duration", func(t *testing.T) {
			for duration := 50 * time.Millisecond; ; duration *= 2 { // a busy machine may need more to send the first one
				sum := attack(t, restTarget(t, s, "ok"), Options{Clients: 2, Duration: duration})
				if sum.Good > 0 {
					return
				}
				if duration > 5*time.Second {
					t.Fatalf("nothing was sent in %v", duration)
				}
			}
		})
		t.Run("backlog", func(t *testing.T) {
			o := Options{Clients: 1, Duration: time.Minute, Timeout: 50 * time.Millisecond, MaxBacklog: 2, Pacer: Constant{PerSecond: 10_000}}
			a, err := Start(t.Context(), restTarget(t, s, "hang"), o)
			if err != nil {
				t.Fatal(err)
			}
			sum := Collect(a, NewRecorder(o, 0), nil)
			if !a.Totals().Overrun || sum.Unsent == 0 {
				t.Errorf("%+v", a.Totals())
			}
		})
		t.Run("context", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			o := Options{Clients: 2, Duration: time.Hour}
			a, err := Start(ctx, restTarget(t, s, "ok"), o)
			if err != nil {
				t.Fatal(err)
			}
			<-a.Results()
			cancel()
			Collect(a, NewRecorder(o, 0), nil)
		})
	})
}

func TestNobodyThere(t *testing.T) {
	s := httptest.NewServer(nil)
	address := s.URL
	s.Close()
	target, err := NewREST(address, []Body{{}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), target, Options{Clients: 1, Duration: time.Second}); err == nil {
		t.Error("an attack on nobody began")
	}
}
