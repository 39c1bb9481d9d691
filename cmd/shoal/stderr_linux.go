package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// stderrOfItsOwn gives the log a descriptor of its own for where standard error goes, and makes descriptor 2 one that does not
// block: TensorFlow writes there, from the threads that compute, and so does Go when it panics. What a full pipe or a stopped
// terminal does not take is lost. The new descriptor 2 opens the same pipe again, since the old one is shared with other processes,
// whom its flags concern too. Sockets cannot be opened again and are left as they are; files do not block.
func stderrOfItsOwn(stderr *os.File) io.Writer {
	own, err := unix.FcntlInt(stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return stderr
	}
	var st unix.Stat_t
	if unix.Fstat(own, &st) == nil && (st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFCHR) {
		again, err := unix.Open("/proc/self/fd/2", unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if err == nil {
			_ = unix.Dup3(again, 2, 0)
			_ = unix.Close(again)
		}
	}
	return os.NewFile(uintptr(own), "stderr")
}
