package load

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connState is where a lane's connection stands.
type connState uint8

const (
	connLost   connState = iota // to be made anew at retry
	connMaking                  // the kernel is connecting
	connIdle                    // in the lane's idle list, or about to be
	connBusy                    // a request is under way
)

// laneConn is a connection and the request on it.
type laneConn struct {
	fd     int
	state  connState
	body   int           // index of the request under way
	unsent []byte        // of its bytes
	buf    []byte        // of the answer
	need   int           // bytes of the whole answer, where known
	retry  time.Duration // when a lost connection is tried again
	result Result
}

// connect makes the connection: at the start waiting for it, later without.
func (l *lane) connect(i int32, wait bool) error {
	c := &l.conns[i]
	c.retry = 0
	if !wait {
		l.totals.Reopened++
		c.retry = l.now() + brokenPause
	}
	c.state = connLost
	family := unix.AF_INET
	if _, six := l.addr.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if !wait {
		_ = unix.SetNonblock(fd, true)
	}
	err = unix.Connect(fd, l.addr)
	if err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return err
	}
	_ = unix.SetNonblock(fd, true)
	c.fd, c.state = fd, connMaking
	// Edge-triggered, both directions at once: one system call for the connection's whole life.
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: i}
	if e2 := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e); e2 != nil {
		return e2
	}
	if err == nil {
		c.state = connIdle
		l.idle = append(l.idle, i)
	}
	return nil
}

// send begins a request on an idle connection.
func (l *lane) send(i int32, o order) {
	c := &l.conns[i]
	number := o.number*l.stride + l.offset
	c.body = int(number % uint64(len(l.target.wires)))
	c.unsent, c.buf, c.need = l.target.wires[c.body], c.buf[:0], 0
	c.result = Result{Due: o.due, Noticed: o.noticed, Sent: l.now(), Warmup: o.due < l.options.Warmup}
	c.state = connBusy
	l.flying++
	l.write(i)
}

func (l *lane) write(i int32) {
	c := &l.conns[i]
	for len(c.unsent) > 0 {
		n, err := rawWrite(c.fd, c.unsent)
		switch err {
		case 0:
			c.unsent = c.unsent[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return
		default:
			l.finish(i, Broken, true)
			return
		}
	}
}

// ready handles what epoll says of a connection.
func (l *lane) ready(i int32, events uint32) {
	c := &l.conns[i]
	switch c.state {
	case connMaking:
		if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
			l.lose(i)
		} else if events&unix.EPOLLOUT != 0 {
			c.state = connIdle
			l.again(i)
		}
	case connIdle:
		if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 { // the server ended an idle connection, as it may
			for k, other := range l.idle {
				if other == i {
					l.idle = append(l.idle[:k], l.idle[k+1:]...)
					break
				}
			}
			l.lose(i)
			_ = l.connect(i, false)
		}
	case connBusy:
		if len(c.unsent) > 0 && events&unix.EPOLLOUT != 0 {
			l.write(i)
		}
		if c.state == connBusy && events&^unix.EPOLLOUT != 0 {
			l.read(i)
		}
	}
}

// read takes what there is of the answer. A whole answer ends the reading: nothing can follow it.
func (l *lane) read(i int32) {
	c := &l.conns[i]
	for {
		c.buf = room(c.buf, c.need)
		n, err := rawRead(c.fd, c.buf[len(c.buf):cap(c.buf)])
		switch err {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return
		default:
			l.finish(i, Broken, true)
			return
		}
		c.buf = c.buf[:len(c.buf)+n]
		if n > 0 && len(c.buf) < c.need {
			continue
		}
		resp, length, need, perr := parseResponse(c.buf, n == 0)
		if perr != nil || n == 0 && length == 0 {
			l.finish(i, Broken, true)
			return
		}
		if length == 0 {
			c.need = need
			continue
		}
		c.result.Done = l.now() // before the check, which is the generator's work
		l.target.judge(c.body, &resp, &c.result)
		l.finish(i, c.result.Outcome, resp.close || n == 0)
		return
	}
}

// finish ends the request on a connection.
func (l *lane) finish(i int32, outcome Outcome, closed bool) {
	c := &l.conns[i]
	if c.result.Done == 0 {
		c.result.Done = l.now()
	}
	c.result.Outcome = outcome
	l.out.add(&c.result)
	l.flying--
	c.state = connIdle
	if !closed {
		l.again(i)
		return
	}
	l.lose(i)
	if outcome != Broken { // a broken one waits for the sweep: its server may be gone
		_ = l.connect(i, false)
	}
}

func (l *lane) lose(i int32) {
	c := &l.conns[i]
	if c.fd >= 0 {
		_ = unix.Close(c.fd) // which takes it out of epoll, too
	}
	c.fd, c.state, c.retry = -1, connLost, l.now()+brokenPause
}

// Reading and writing never block, so that they need not tell Go's scheduler.

func rawWrite(fd int, b []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}

func rawRead(fd int, b []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), err
}

// epollWait waits with the precision of nanoseconds; kernels before 5.11 have milliseconds, rounded down: the loop then
// turns the faster the nearer the time comes.
func epollWait(epoll int, events []unix.EpollEvent, d time.Duration) (int, error) {
	ts := unix.NsecToTimespec(int64(d))
	n, _, err := syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch err {
	case 0:
		return int(n), nil
	case unix.ENOSYS:
		return unix.EpollWait(epoll, events, int(d/time.Millisecond))
	}
	return 0, err
}
