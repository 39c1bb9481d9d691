package source

import (
	"os"
	"syscall"
	"time"
)

// changeTime is the later of a file's times of modification and of change of its inode.
func changeTime(info os.FileInfo) time.Time {
	t := info.ModTime()
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		if c := time.Unix(s.Ctim.Unix()); c.After(t) {
			return c
		}
	}
	return t
}
