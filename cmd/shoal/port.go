package main

import (
	"errors"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// port is a TCP port that is bound and refuses connections until it is opened. A nil port is none.
type port struct {
	socket  *os.File
	address *net.TCPAddr
}

// backlog is cut by the kernel to what it allows, as Go's own is.
const backlog = 1<<16 - 1

// bindPort binds what net.Listen would: where no address is given, all interfaces, by IPv6 and IPv4.
func bindPort(address string) (*port, error) {
	to, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &port{address: to}
	all := to.IP == nil || to.IP.IsUnspecified()
	var fd int
	if four := to.IP.To4(); four != nil && !all {
		fd, err = bindSocket(unix.AF_INET, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(four)})
	} else {
		six := &unix.SockaddrInet6{Port: to.Port, ZoneId: zone(to.Zone)}
		if !all {
			six.Addr = [16]byte(to.IP.To16())
		}
		fd, err = bindSocket(unix.AF_INET6, six)
	}
	if all && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) { // a machine without IPv6
		fd, err = bindSocket(unix.AF_INET, &unix.SockaddrInet4{Port: to.Port})
	}
	if err != nil {
		return nil, p.failed("bind", err)
	}
	p.socket = os.NewFile(uintptr(fd), address)
	return p, nil
}

func bindSocket(family int, address unix.Sockaddr) (fd int, err error) {
	if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	// Connections of a server that has just ended may still be closing.
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if six, ok := address.(*unix.SockaddrInet6); ok && err == nil && six.Addr == [16]byte{} {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// zone is the number of an interface, which a link-local address names.
func zone(name string) uint32 {
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(name, 10, 32)
	return uint32(n)
}

// open begins to listen. The port is the listener's from then on.
func (p *port) open() (net.Listener, error) {
	defer p.close()
	if err := unix.Listen(int(p.socket.Fd()), backlog); err != nil {
		return nil, p.failed("listen", err)
	}
	return net.FileListener(p.socket)
}

// close gives the port back, unless it was opened.
func (p *port) close() {
	if p != nil {
		_ = p.socket.Close() // nothing was written to it
	}
}

// failed is the error as net.Listen words it.
func (p *port) failed(call string, err error) error {
	return &net.OpError{Op: "listen", Net: "tcp", Addr: p.address, Err: os.NewSyscallError(call, err)}
}
