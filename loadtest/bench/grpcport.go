package bench

import (
	"context"
	"io"
	"net"
	"net/url"
	"time"
)

// IsGRPC says whether the host of an http:// URL is a port for gRPC: one that greets a client of HTTP/2 as the protocol has it.
// Servers of the TensorFlow Serving kind speak HTTP/1 on their REST port.
func IsGRPC(ctx context.Context, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(askTimeout)) // a TCP connection takes one
	const preface, settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if _, err := io.WriteString(conn, preface+settings); err != nil {
		return false
	}
	frame := make([]byte, 9) // the head of its first frame, which has to be its settings, on stream 0
	if _, err := io.ReadFull(conn, frame); err != nil {
		return false
	}
	return frame[3] == 4 && string(frame[4:]) == "\x00\x00\x00\x00\x00"
}
