package main

import (
	"net"
	"testing"
)

// Every form of an address is one to bind and to listen on.
func TestListenAddresses(t *testing.T) {
	for host, reach := range map[string]string{"127.0.0.1": "127.0.0.1", "localhost": "localhost", "0.0.0.0": "127.0.0.1", "::": "127.0.0.1", "": "127.0.0.1", "::1": "::1"} {
		p, err := bindPort(net.JoinHostPort(host, "0"))
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		l, err := p.open()
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		if conn, err := net.Dial("tcp", net.JoinHostPort(reach, port)); err != nil {
			t.Errorf("%q: nobody listens at %s port %s: %v", host, reach, port, err)
		} else {
			conn.Close()
		}
		l.Close()
	}
}
