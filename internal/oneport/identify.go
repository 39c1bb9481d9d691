//go:build unix

package oneport

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type protocol int

const (
	unknown protocol = iota // more bytes are needed
	http1
	http2
)

// preface begins every HTTP/2 connection (RFC 9113, section 3.4). No method of HTTP/1 is called PRI.
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// A TLS record has a header of 5 bytes and at most 16 KiB; a ClientHello fits into one.
const (
	recordHeader = 5
	handshake    = 22
	maxPeek      = recordHeader + 16<<10
)

// identify waits for a connection's first bytes, which stay in the socket. A silent client is taken for one of HTTP/1, which may
// open connections ahead of its requests. The error is the connection's: it has ended.
func (s *socket) identify(c net.Conn) (protocol, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return unknown, errNoConn
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return unknown, err
	}
	if err := c.SetReadDeadline(time.Now().Add(s.opt.Patience)); err != nil {
		return unknown, err
	}
	first := make([]byte, len(preface))
	found, failed := unknown, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, err := unix.Recvfrom(int(fd), first, unix.MSG_PEEK)
			switch {
			case err == unix.EAGAIN:
				return false
			case err == unix.EINTR:
				continue
			case err != nil:
				failed = os.NewSyscallError("recvfrom", err)
				return true
			case n == 0:
				failed = io.EOF
				return true
			}
			if n == len(first) && n < maxPeek && first[0] == handshake && s.needsHello() {
				first = make([]byte, maxPeek)
				continue
			}
			found = s.classify(first[:n])
			return found != unknown // false: wait for the next packet
		}
	})
	switch {
	case failed != nil:
		return unknown, failed
	case errors.Is(err, os.ErrDeadlineExceeded):
		found = http1
	case err != nil:
		return unknown, err
	}
	return found, c.SetReadDeadline(time.Time{})
}

// needsHello reports whether only the ClientHello shows the protocol of a TLS connection.
func (s *socket) needsHello() bool { return s.opt.HTTP1TLS && s.opt.HTTP2TLS }

// classify decides by a connection's first bytes.
func (s *socket) classify(first []byte) protocol {
	switch {
	case len(first) == 0:
		return unknown
	case first[0] == handshake && s.needsHello():
		return byHello(first)
	case first[0] == handshake && s.opt.HTTP2TLS:
		return http2
	case first[0] == handshake:
		return http1
	case len(first) >= len(preface) && bytes.Equal(first[:len(preface)], preface):
		return http2
	case bytes.HasPrefix(preface, first):
		return unknown
	}
	return http1
}

// byHello decides by the protocols that a ClientHello offers (ALPN, RFC 7301). Clients of gRPC offer h2 alone; browsers and
// HTTP libraries offer http/1.1 too, or nothing.
func byHello(record []byte) protocol {
	if len(record) < recordHeader {
		return unknown
	}
	if n := recordHeader + int(binary.BigEndian.Uint16(record[3:])); len(record) < min(n, maxPeek) {
		return unknown
	}
	offered := offers(record)
	if slices.Contains(offered, "h2") && !slices.Contains(offered, "http/1.1") {
		return http2
	}
	return http1
}

// offers lists the protocols of a ClientHello; none if it is not one.
func offers(record []byte) (protocols []string) {
	errSeen := errors.New("seen")
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		protocols = hello.SupportedProtos
		return nil, errSeen
	}}
	_ = tls.Server(&replay{received: bytes.NewReader(record)}, config).Handshake() // always fails: the answer is in protocols
	return protocols
}

// replay is a connection that has received these bytes and sends nothing.
type replay struct {
	net.Conn // nil: only the methods below are called
	received *bytes.Reader
}

func (r *replay) Read(p []byte) (int, error)       { return r.received.Read(p) }
func (r *replay) Write(p []byte) (int, error)      { return len(p), nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }
func (r *replay) Close() error                     { return nil }
