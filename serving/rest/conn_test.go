package rest

import (
	"net"
	"slices"
	"testing"
	"time"
)

// deadlines notes what reaches the socket.
type deadlines struct {
	net.Conn
	read, write []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = append(d.read, t); return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = append(d.write, t); return nil }

func TestDeadlinesMoveSeldom(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) time.Time { return now.Add(d) }
	socket := &deadlines{}
	c := &conn{Conn: socket}
	for _, d := range []time.Time{at(0), at(time.Second), at(59 * time.Second), at(60 * time.Second), at(61 * time.Second), at(-time.Hour), {}, {}, at(0)} {
		if c.SetReadDeadline(d) != nil || c.SetWriteDeadline(d) != nil {
			t.Fatal("refused")
		}
	}
	want := []time.Time{at(0), at(60 * time.Second), at(-time.Hour), {}, at(0)}
	if !slices.Equal(socket.read, want) || !slices.Equal(socket.write, want) {
		t.Errorf("got %v and %v, want %v", socket.read, socket.write, want)
	}
}
