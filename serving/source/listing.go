package source

import (
	"fmt"
	"hash"
	"os"
	"path"
	"path/filepath"
	"time"
)

// A version's directory is looked through no deeper and no further than this: links can make circles.
const maxDepth, maxFiles = 8, 100_000

// listing is what a version's directory holds.
type listing struct {
	names   []string    // relative to the directory, with slashes; those of directories end in a slash
	changed time.Time   // the newest change of any of them
	sum     hash.Hash64 // of names, sizes and times
}

// walk adds what is in dir, whose name in the listing is rel. An error means that dir changed or vanished while it was read.
func (l *listing) walk(dir, rel string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err == nil {
		l.note(rel, info)
	}
	for _, e := range entries {
		if len(l.names) == maxFiles {
			return nil
		}
		name, full := path.Join(rel, e.Name()), filepath.Join(dir, e.Name())
		info, err := os.Stat(full)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			l.names = append(l.names, name)
			l.note(name, info)
			continue
		}
		l.names = append(l.names, name+"/")
		if depth < maxDepth {
			if err := l.walk(full, name, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// note takes a file or directory into the sum. The time of change (ctime) counts too: copying tools set the time of modification
// back, but nothing sets this one, and a mere chmod after "permission denied" shows in it.
func (l *listing) note(name string, info os.FileInfo) {
	changed := changeTime(info)
	fmt.Fprintf(l.sum, "%d %d ", info.ModTime().UnixNano(), changed.UnixNano())
	if !info.IsDir() {
		fmt.Fprintf(l.sum, "%d ", info.Size())
	}
	fmt.Fprintf(l.sum, "%q\n", name)
	if changed.After(l.changed) {
		l.changed = changed
	}
}
