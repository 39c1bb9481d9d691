//go:build !linux

package source

import (
	"os"
	"time"
)

// changeTime is a file's time of modification, where nothing better is known.
func changeTime(info os.FileInfo) time.Time { return info.ModTime() }
