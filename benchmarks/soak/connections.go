package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

var badHTTP = []string{
	"\x00\x01\x02\r\n\r\n", "GET\r\n\r\n", "POST /v1/models/moving:predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
	"POST /v1/models/moving:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40) + "\r\n",
	"POST /v1/models/moving:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", strings.Repeat("A", 70_000),
}

// malformedHTTP wants an error, or the end of the connection.
func (s *site) malformedHTTP(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		conn, err := s.dial()
		if err != nil {
			s.tally.lose("no connection: %v", err)
			return
		}
		_ = conn.SetDeadline(time.Now().Add(requestTimeout))
		_, _ = io.WriteString(conn, badHTTP[i%len(badHTTP)]) // the server may have closed it already
		_ = conn.(*net.TCPConn).CloseWrite()
		line, err := bufio.NewReader(conn).ReadString('\n')
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.tally.mistake("malformed HTTP %.60q is not answered", badHTTP[i%len(badHTTP)])
		case strings.HasPrefix(line, "HTTP/1.1 2"):
			s.tally.mistake("malformed HTTP %.60q is answered %s", badHTTP[i%len(badHTTP)], line)
		default:
			s.tally.fail()
		}
		conn.Close()
		pause(ctx, 5*time.Millisecond)
	}
}

func (s *site) dial() (net.Conn, error) {
	return net.Dial("tcp", strings.TrimPrefix(s.rest, "http://"))
}

// stalled is how many connections stall at once.
const stalled = 30

// stall holds connections that have sent nothing, half of the headers, or the beginning of a large body; and, to gRPC, a
// connection's beginning.
func (s *site) stall(ctx context.Context) {
	begun := []string{"", "POST /v1/models/moving:predict HTTP/1.1\r\nHost: x\r\nContent-Le",
		fmt.Sprintf("POST /v1/models/moving:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{\"instances\":[1", maxRequest)}
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" // and empty settings
	for ctx.Err() == nil {
		var held []net.Conn
		for i := range stalled {
			if conn, err := net.Dial("tcp", s.grpc); err == nil {
				_, _ = io.WriteString(conn, preface[:len(preface)*(1+i%2)/2])
				held = append(held, conn)
			} else {
				s.tally.lose("no connection: %v", err)
			}
			conn, err := s.dial()
			if err != nil {
				s.tally.lose("no connection: %v", err)
				break
			}
			_, _ = io.WriteString(conn, begun[i%len(begun)])
			held = append(held, conn)
		}
		pause(ctx, 3*time.Second)
		for _, conn := range held {
			conn.Close()
		}
	}
}

// slowReaders take large answers in small pieces; every second one leaves in the middle.
func (s *site) slowReaders(ctx context.Context) {
	body := `{"instances":[` + strings.TrimSuffix(strings.Repeat("4,", 100_000), ",") + `]}`
	request := fmt.Sprintf("POST /v1/models/moving:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for i := 0; ctx.Err() == nil; i++ {
		conn, err := s.dial()
		if err != nil {
			s.tally.lose("no connection: %v", err)
			return
		}
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		_ = conn.SetDeadline(time.Now().Add(requestTimeout))
		if _, err := io.WriteString(conn, request); err != nil {
			s.tally.lose("a slow reader's request: %v", err)
		} else {
			s.readSlowly(ctx, conn, i%2 == 0)
		}
		conn.Close()
	}
}

func (s *site) readSlowly(ctx context.Context, conn net.Conn, leaves bool) {
	var all bytes.Buffer
	for range 20 {
		if _, err := io.CopyN(&all, conn, 1000); err != nil {
			break // a refusal is short; it is judged below
		}
		pause(ctx, 20*time.Millisecond)
	}
	if leaves {
		return
	}
	if _, err := io.Copy(&all, conn); err != nil {
		s.tally.lose("a slow reader's answer ends after %d bytes: %v", all.Len(), err)
		return
	}
	resp, err := http.ReadResponse(bufio.NewReader(&all), nil)
	if err != nil {
		s.tally.lose("a slow reader's answer: %v", err)
		return
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch n := bytes.Count(answer, []byte("4.0")) + bytes.Count(answer, []byte("5.0")); {
	case resp.StatusCode != http.StatusOK:
		s.busy("a slow reader", false, resp.StatusCode)
	case err != nil:
		s.tally.lose("a slow reader's answer: %v", err)
	case n != 100_000:
		s.tally.mistake("a slow reader got %d of 100000 numbers", n)
	default:
		s.tally.right("slow readers, REST")
	}
}
