//go:build !linux

package main

import (
	"io"
	"os"
)

// stderrOfItsOwn is standard error: TensorFlow's own messages may wait for who reads them.
func stderrOfItsOwn(stderr *os.File) io.Writer { return stderr }
