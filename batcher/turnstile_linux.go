package batcher

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// turnstile lets a goroutine wait until all other goroutines that have something to do have run.
//
// runtime.Gosched lets the goroutines run that are ready. The goroutine of a connection with unread data is not ready before the
// runtime polls the network, which it does only when nothing else can run. So on a busy machine, requests that have arrived stay
// in the kernel while a small batch takes the processor. The turnstile is one more file in the poller's queue. The poller reports
// files in the order in which they became ready. The turnstile becomes ready now, so it comes after all that were ready before.
type turnstile struct {
	file *os.File
	raw  syscall.RawConn
}

// newTurnstile never fails: if it gets no event file, the turnstile calls runtime.Gosched.
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

// pass waits for its turn. One goroutine at a time may call it.
func (t *turnstile) pass() {
	if t.raw == nil {
		runtime.Gosched()
		return
	}
	var count = [8]byte{1} // number of events, in little-endian order; any other number works as well
	announced := false
	// Read calls the function again when the poller has reported the file. The file must not be ready before the first call.
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
