package backlog

import (
	"net"
	"testing"
)

func TestWaiting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if Waiting(l) {
		t.Error("nobody has come")
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if !Waiting(l) {
		t.Error("a client waits")
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if Waiting(l) {
		t.Error("nobody waits any more")
	}
	l.Close()
	if Waiting(l) {
		t.Error("the listener is closed")
	}
}
