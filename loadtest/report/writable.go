package report

import (
	"errors"
	"io/fs"
	"os"
)

// Writable says why a file cannot be written, before what it is to hold takes minutes to find out. It leaves a file that is there
// as it is, and none behind. An empty path is none.
func Writable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		if f, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			err = f.Close()
		}
		return err
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(path))
}
