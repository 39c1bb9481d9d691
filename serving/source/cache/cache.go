// Package cache keeps fetched versions in a directory of bounded size. Sources that fetch from afar share it, and so may several
// processes.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Cache is a directory of entries. An entry is complete: it is filled in a directory of its own and then renamed. It is locked while
// it is in use; the others are evicted, least recently used first, when there is no room. Safe for concurrent use.
//
//	entries/KEY/about.json   what is known of the entry; its time is that of the last use
//	entries/KEY/files/…      its content
//	work/…                   what is being filled, or removed
type Cache struct {
	dir   string // "": there is none
	limit int64

	mu      sync.Mutex
	filling map[string]chan struct{} // by key; closed when that is over
	taken   int64                    // bytes of what is being filled
	swept   bool
}

// Origin is whence an entry is.
type Origin struct {
	Place string // a URL, say
	State string // what the place had then
}

// about is what is known of an entry.
type about struct {
	Place string // as a digest: a URL may hold a secret
	State string
	Bytes int64
}

// Fill writes an entry's files into dir. It takes room for all that it writes, before it writes it.
type Fill func(ctx context.Context, dir string, room *Room) error

// New makes a cache in dir, which is made when it is needed first. limit bounds its bytes; 0: there is no bound.
func New(dir string, limit int64) *Cache {
	return &Cache{dir: dir, limit: limit, filling: make(map[string]chan struct{})}
}

// Get returns the directory with the files of an entry, which stays until release is called. Where there is none, fill makes it;
// several calls for one key wait for the first. key is a plain file name, and equal keys stand for equal files.
func (c *Cache) Get(ctx context.Context, key string, origin Origin, fill Fill) (dir string, release func(), err error) {
	if err := c.prepare(); err != nil {
		return "", nil, err
	}
	done, err := c.begin(ctx, key)
	if err != nil {
		return "", nil, err
	}
	defer done()
	if lock := c.use(key); lock != nil {
		return c.files(key), func() { lock.Close() }, nil
	}
	lock, err := c.fill(ctx, key, origin, fill)
	if err != nil {
		return "", nil, err
	}
	return c.files(key), func() { lock.Close() }, nil
}

// Last is the state of the entry from that place that was used last.
func (c *Cache) Last(place string) (state string, ok bool) {
	for _, e := range c.entries() { // least recently used first
		if e.Place == digest(place) {
			state, ok = e.State, true
		}
	}
	return state, ok
}

func (c *Cache) files(key string) string { return filepath.Join(c.dir, "entries", key, "files") }

// begin waits for those who fill the same entry.
func (c *Cache) begin(ctx context.Context, key string) (done func(), err error) {
	for {
		c.mu.Lock()
		other := c.filling[key]
		if other == nil {
			mine := make(chan struct{})
			c.filling[key] = mine
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				delete(c.filling, key)
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// use locks an entry; nil: there is none.
func (c *Cache) use(key string) *os.File {
	dir := filepath.Join(c.dir, "entries", key)
	lock, err := lockDir(dir, syscall.LOCK_SH)
	if err != nil {
		return nil
	}
	now := time.Now()
	if err := os.Chtimes(filepath.Join(dir, "about.json"), now, now); err != nil {
		lock.Close()
		return nil
	}
	return lock
}

// fill makes an entry, and returns its lock.
func (c *Cache) fill(ctx context.Context, key string, origin Origin, fill Fill) (lock *os.File, err error) {
	work, err := os.MkdirTemp(filepath.Join(c.dir, "work"), "fill-")
	if err != nil {
		return nil, writeError(err)
	}
	lock, err = lockDir(work, syscall.LOCK_SH)
	if err != nil {
		return nil, writeError(err)
	}
	room := &Room{cache: c}
	defer func() {
		if err != nil {
			os.RemoveAll(work)
			lock.Close()
			room.Give(room.taken)
		}
	}()
	files := filepath.Join(work, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return nil, writeError(err)
	}
	if err := fill(ctx, files, room); err != nil {
		return nil, writeError(err)
	}
	text, err := json.Marshal(about{digest(origin.Place), origin.State, room.taken})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, "about.json"), text, 0o644); err != nil {
		return nil, writeError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.Rename(work, filepath.Join(c.dir, "entries", key)); err != nil {
		// Another process may have been faster: its entry is as good.
		if other := c.use(key); other != nil {
			os.RemoveAll(work)
			lock.Close()
			c.taken -= room.taken
			return other, nil
		}
		return nil, writeError(err)
	}
	c.taken -= room.taken // from now on it is counted as an entry
	return lock, nil
}

// lockDir locks a directory until the file is closed, or the process ends. It fails where another lock is in the way, or the
// directory was moved meanwhile.
func lockDir(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	mine, err := f.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(dir); err == nil && os.SameFile(mine, now) {
			return f, nil
		}
	}
	f.Close()
	return nil, errors.Join(err, fs.ErrNotExist)
}

func digest(place string) string {
	sum := sha256.Sum256([]byte(place))
	return hex.EncodeToString(sum[:])
}

// writeError is a status for an error of a file system. It says which disk is full; statuses stay as they are.
func writeError(err error) error {
	switch _, known := status.FromError(err); {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return status.Error(codes.ResourceExhausted, "the disk of --model_cache_dir is full")
	case known:
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	return status.Errorf(codes.Unavailable, "--model_cache_dir: %v", err)
}
