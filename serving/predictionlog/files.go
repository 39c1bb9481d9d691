package predictionlog

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A file is named after its prefix and the moment it was begun, so that names sort by age: PREFIX-20260102T030405.678901Z.tfrecord.
const (
	fileTime   = "20060102T150405.000000Z"
	fileSuffix = ".tfrecord"
)

// stemOf is what the paths of a prefix's files begin with. A prefix that ends with a slash is a folder.
func stemOf(prefix string) string {
	dir, base := filepath.Split(prefix)
	if base == "" {
		return filepath.Clean(dir) + string(filepath.Separator)
	}
	return filepath.Join(dir, base+"-")
}

// Directory is where the files of a filename_prefix lie.
func Directory(prefix string) string { return filepath.Dir(stemOf(prefix)) }

// files are the files of one prefix, one after the other. A file that exists is never written to again, and whatever is
// seen of the newest ends with a whole record. It belongs to one goroutine.
type files struct {
	stem  string
	limit int64 // of a file's size
	keep  int   // files, the newest among them
	log   *slog.Logger

	f     *os.File // nil: the next write begins a file
	size  int64
	begun time.Time // of the newest file
}

// write appends chunk, whole records; where that would make the file too large, a new one begins with it.
func (f *files) write(chunk []byte) error {
	if f.f != nil && f.size+int64(len(chunk)) > f.limit {
		if err := f.close(); err != nil {
			f.log.Error("a request log was not closed well", slog.Any("error", err))
		}
	}
	if f.f == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	n, err := f.f.Write(chunk)
	if err == nil {
		f.size += int64(n)
		return nil
	}
	// Half a record would hide all that follow it: it goes, and the next write begins a new file.
	return errors.Join(err, f.f.Truncate(f.size), f.close())
}

func (f *files) begin() error {
	for {
		f.begun = later(f.begun, time.Now().UTC().Truncate(time.Microsecond))
		file, err := os.OpenFile(f.stem+f.begun.Format(fileTime)+fileSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		f.f, f.size = file, 0
		f.prune()
		return nil
	}
}

// later is now, or just after last where the clock has not moved on: names stay in order.
func later(last, now time.Time) time.Time {
	if now.After(last) {
		return now
	}
	return last.Add(time.Microsecond)
}

// prune removes the oldest files until only as many are left as are to be kept.
func (f *files) prune() {
	dir := filepath.Dir(f.stem)
	entries, err := os.ReadDir(dir) // sorted by name, so the oldest of the prefix comes first
	var mine []string
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); f.named(path) {
			mine = append(mine, path)
		}
	}
	for _, path := range mine[:max(len(mine)-f.keep, 0)] {
		if e := os.Remove(path); e != nil {
			err = e
			continue
		}
		f.log.Info("the oldest request log was removed", slog.String("file", path))
	}
	if err != nil {
		f.log.Error("old request logs cannot be removed", slog.Any("error", err))
	}
}

// named says whether a file is one of the prefix's logs.
func (f *files) named(path string) bool {
	rest, ok := strings.CutPrefix(path, f.stem)
	stamp, suffixed := strings.CutSuffix(rest, fileSuffix)
	if !ok || !suffixed {
		return false
	}
	_, err := time.Parse(fileTime, stamp)
	return err == nil
}

func (f *files) close() error {
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}
