// Package files reads what users give: models and configurations. Whatever lies at a path, reading it ends: only regular files
// are opened, since a named pipe waits for a writer and a device may have no end; a file has a largest size; and one that gives
// no byte for a while, as on a mount whose server is gone, is given up.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The largest files of each kind.
const (
	// MaxConfig is that of a configuration: several hundred thousand models.
	MaxConfig = 64 << 20
	// MaxMessage is that of a protocol buffer, such as a saved_model.pb: nothing reads a larger message.
	MaxMessage = 1<<31 - 1
)

const chunk = 1 << 20 // bytes that count as progress

// Read returns the content of a regular file of at most so many bytes. Its errors are of type *fs.PathError.
func Read(path string, most int64) ([]byte, error) {
	return within(path, func(progress func()) ([]byte, error) {
		f, size, err := open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if size > most {
			return nil, tooLarge(path, most)
		}
		content := make([]byte, 0, size+1) // one more, to see the end without growing
		for {
			if len(content) == cap(content) {
				content = append(content, 0)[:len(content)]
			}
			n, err := f.Read(content[len(content):min(cap(content), len(content)+chunk)])
			content = content[:len(content)+n]
			switch {
			case int64(len(content)) > most: // it grew, or its size was not told
				return nil, tooLarge(path, most)
			case err == io.EOF:
				return content, nil
			case err != nil:
				return nil, err
			}
			progress()
		}
	}, nil)
}

// open opens a regular file. It is looked at first, because opening alone has effects on some devices, and again when it is
// open, since another may have taken its place.
func open(path string) (*os.File, int64, error) {
	if err := regular(path); err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok && e.Op == "stat" {
			e.Op = "open" // which is what was asked for
		}
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe does not make it wait
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil {
		err = mustBeRegular(path, info)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// File is an open regular file. A Read that takes too long fails.
type File struct {
	f    *os.File
	path string
}

// Open opens a regular file for reading.
func Open(path string) (*File, error) {
	f, err := within(path, func(func()) (*os.File, error) {
		f, _, err := open(path)
		return f, err
	}, func(f *os.File) { f.Close() })
	if err != nil {
		return nil, err
	}
	return &File{f, path}, nil
}

// Read implements io.Reader. Each call costs a goroutine and a buffer: read much at once.
func (f *File) Read(p []byte) (int, error) {
	own, err := within(f.path, func(func()) ([]byte, error) {
		own := make([]byte, min(len(p), chunk)) // p is the caller's again once this is given up
		n, err := f.f.Read(own)
		return own[:n], err
	}, nil)
	return copy(p, own), err
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// A directory is looked through no deeper and no further than this: links can make circles.
const maxDepth, maxFiles = 8, 100_000

// AllRegular fails where a directory holds, at any depth, anything but directories and regular files, as they are behind links.
func AllRegular(dir string) error {
	_, err := within(dir, func(progress func()) (struct{}, error) {
		left := maxFiles
		return struct{}{}, walk(dir, 0, &left, progress)
	}, nil)
	return err
}

func walk(dir string, depth int, left *int, progress func()) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if *left--; *left < 0 {
			return &fs.PathError{Op: "read", Path: dir, Err: fmt.Errorf("holds more than %d files", maxFiles)}
		}
		full := filepath.Join(dir, e.Name())
		info, err := os.Stat(full)
		switch {
		case errors.Is(err, fs.ErrNotExist): // a link to nothing, which nobody can read
			continue
		case err != nil:
			return err
		case !info.IsDir():
			err = mustBeRegular(full, info)
		case depth < maxDepth:
			err = walk(full, depth+1, left, progress)
		}
		if err != nil {
			return err
		}
		progress()
	}
	return nil
}

// Regular fails where path is no regular file.
func Regular(path string) error {
	_, err := within(path, func(func()) (struct{}, error) { return struct{}{}, regular(path) }, nil)
	return err
}

func regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return mustBeRegular(path, info)
}

func mustBeRegular(path string, info fs.FileInfo) error {
	what := "is no regular file"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case mode&fs.ModeNamedPipe != 0:
		what = "is a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "is a socket"
	case mode&fs.ModeDevice != 0:
		what = "is a device"
	}
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it %s: only regular files are read", what)}
}

func tooLarge(path string, most int64) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has more than %d bytes, which no file of its kind may have", most)}
}

func stalled(path string, after time.Duration) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("nothing came of it for %v (--file_timeout): does its mount hang?", after)}
}
