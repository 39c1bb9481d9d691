package batcher

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// turnstile lets a goroutine wait until all that have something to do have had a turn.
//
// runtime.Gosched lets those run that are ready. The goroutine of a connection with unread data is not among them before
// the runtime polls, which it does only when nothing else can run: on a busy machine the requests that have long arrived
// stay in the kernel while a small batch takes the processor. The turnstile is one more file in the poller's queue, which
// reports files in the order in which they became ready; made ready now, it comes after all that were ready before.
type turnstile struct {
	file *os.File
	raw  syscall.RawConn
}

// newTurnstile never fails: without an event file of its own a turnstile falls back to runtime.Gosched.
func newTurnstile() *turnstile {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return &turnstile{}
	}
	t := &turnstile{file: os.NewFile(uintptr(fd), "turnstile")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		t.close()
	}
	return t
}

// pass waits for its turn. One goroutine at a time may.
func (t *turnstile) pass() {
	if t.raw == nil {
		runtime.Gosched()
		return
	}
	var count = [8]byte{1} // of events, as the kernel wants to read it on a little-endian machine; any other number will do as well
	announced := false
	// Read calls again when the poller has reported the file. It must not be ready before it was first called.
	err := t.raw.Read(func(fd uintptr) bool {
		if !announced {
			announced = true
			_, err := unix.Write(int(fd), count[:])
			return err != nil
		}
		_, _ = unix.Read(int(fd), count[:])
		return true
	})
	if err != nil {
		runtime.Gosched()
	}
}

func (t *turnstile) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file, t.raw = nil, nil
	}
}
