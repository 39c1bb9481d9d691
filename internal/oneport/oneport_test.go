//go:build unix

package oneport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"shoal/internal/backlog"
)

// certificate is that of net/http/httptest.
func certificate(t *testing.T) tls.Certificate {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return s.TLS.Certificates[0]
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start serves both protocols on one port, with TLS where there is a configuration, and returns the address.
func start(t *testing.T, o Options, one, two *tls.Config) string {
	o.HTTP1TLS, o.HTTP2TLS = one != nil, two != nil
	l := listen(t)
	http1, http2 := Split(l, o)
	var opts []grpc.ServerOption
	if two != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(two)))
	}
	rpc := grpc.NewServer(opts...)
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	rest := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })}
	ended := make(chan error, 2)
	go func() { ended <- rpc.Serve(http2) }()
	go func() {
		var on net.Listener = http1
		if one != nil {
			on = tls.NewListener(http1, one)
		}
		ended <- rest.Serve(on)
	}()
	t.Cleanup(func() {
		rpc.GracefulStop()
		rest.Close()
		for range 2 {
			if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			c.Close()
			t.Error("the socket is still open")
		}
	})
	return l.Addr().String()
}

func askREST(t *testing.T, address string, secure bool, protocols ...string) {
	t.Helper()
	scheme, transport := "http://", &http.Transport{}
	if secure {
		scheme, transport.TLSClientConfig = "https://", &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(scheme + address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "HTTP/1.1" {
		t.Errorf("%q", body)
	}
}

func askRPC(t *testing.T, address string, secure bool) {
	t.Helper()
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil || r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v %v", r, err)
	}
}

func TestBothProtocols(t *testing.T) {
	cert := certificate(t)
	one, two := &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{Certificates: []tls.Certificate{cert}}
	for _, c := range []struct {
		name     string
		one, two *tls.Config
	}{{"plain", nil, nil}, {"TLS", one, two}, {"TLS for HTTP/1", one, nil}, {"TLS for HTTP/2", nil, two}} {
		t.Run(c.name, func(t *testing.T) {
			address := start(t, Options{}, c.one, c.two)
			for range 3 {
				askREST(t, address, c.one != nil)
				askRPC(t, address, c.two != nil)
			}
			if c.one != nil { // a client that speaks both protocols gets HTTP/1
				askREST(t, address, true, "h2", "http/1.1")
			}
		})
	}
}

// A client may send the first bytes in any pieces, or late.
func TestPieces(t *testing.T) {
	address := start(t, Options{}, nil, nil)
	for _, c := range []struct{ send, want string }{
		{"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00"}, // the server's settings are a frame
		{"PRI / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range []byte(c.send) {
			if _, err := conn.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		got := make([]byte, len(c.want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != c.want {
			t.Errorf("%q: %q %v", c.send, got, err)
		}
		conn.Close()
	}
}

// A ClientHello may come in pieces too, and hold much.
func TestHelloInPieces(t *testing.T) {
	cert := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	address := start(t, Options{}, config, config)
	for _, protocols := range [][]string{{"h2"}, {"http/1.1"}, nil, append(strings.Fields(strings.Repeat(strings.Repeat("x", 99)+" ", 80)), "h2")} {
		raw, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(pieces{raw}, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		want := ""
		if len(protocols) > 0 && protocols[len(protocols)-1] == "h2" {
			want = "h2"
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want { // only gRPC's server negotiates
			t.Errorf("%q, not %q", got, want)
		}
		conn.Close()
	}
}

// pieces writes a few bytes at a time.
type pieces struct{ net.Conn }

func (p pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = p.Conn.Write(b[n:min(n+997, len(b))])
		n += m
		time.Sleep(time.Millisecond)
	}
	return n, err
}

// A client that is connected and sends nothing belongs to HTTP/1 after a while, and stops nobody else.
func TestSilentClient(t *testing.T) {
	http1, http2 := Split(listen(t), Options{Patience: 10 * time.Millisecond})
	defer http1.Close()
	defer http2.Close()
	client, err := net.Dial("tcp", http1.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := http1.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := client.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.LimitReader(conn, 4)); err != nil || string(got) != "late" {
		t.Errorf("%q %v", got, err)
	}
}

// The first server that stops closes the socket. The other one still gets what was accepted, and ends by its own Close only.
func TestCloseOne(t *testing.T) {
	l := listen(t)
	http1, http2 := Split(l, Options{})
	dial := func(first string) net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, first); err != nil {
			t.Fatal(err)
		}
		for !backlog.Waiting(http1) {
			time.Sleep(time.Millisecond)
		}
		return c
	}
	refused, served := dial("GET "), dial(string(preface))
	for backlog.Waiting(l) {
		time.Sleep(time.Millisecond)
	}
	if err := http1.Close(); err != nil {
		t.Fatal(err)
	}
	if err := http1.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := http1.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the socket is still open")
	}
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("somebody answered")
	}
	c, err := http2.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(served, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	c.Close()
	over := make(chan error)
	go func() {
		_, err := http2.Accept()
		over <- err
	}()
	select {
	case err := <-over:
		t.Errorf("Accept has ended: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := http2.Close(); err != nil {
		t.Error(err)
	}
	if err := <-over; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestDeadline(t *testing.T) {
	http1, http2 := Split(listen(t), Options{})
	defer http1.Close()
	defer http2.Close()
	over := make(chan error)
	go func() {
		_, err := http1.Accept()
		over <- err
	}()
	if err := http1.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := <-over; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
