//go:build unix

// Package backlog is about connections on their way: it reports whether clients wait to be accepted, and which failures to accept
// pass. The kernel completes connections that the process has not accepted yet; closing the listener resets them.
package backlog

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Waiting reports whether a connection waits on the listener. It asks the listener's own method Waiting if there is one. It is
// false if that cannot be known.
func Waiting(l net.Listener) bool {
	if w, ok := l.(interface{ Waiting() bool }); ok {
		return w.Waiting()
	}
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

// Passes reports whether accepting can succeed later, after this error: the process is out of file descriptors or memory, or the
// client has left.
func Passes(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
