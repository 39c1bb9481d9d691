//go:build unix

// Package backlog tells whether clients wait to be accepted. The kernel completes connections that the process has not accepted
// yet; whoever closes the listener resets them.
package backlog

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Waiting says whether a connection waits on the listener. It is false where that cannot be told.
func Waiting(l net.Listener) bool {
	s, ok := l.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	waiting := false
	err = raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		waiting = err == nil && n > 0
	})
	return err == nil && waiting
}
