package cache

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Room is what one entry may write. It is not for concurrent use.
type Room struct {
	cache *Cache
	taken int64
}

// Take asks for room for n more bytes, and evicts other entries for it. The error is RESOURCE_EXHAUSTED.
func (r *Room) Take(n int64) error {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit > 0 && !c.evict(n) {
		return status.Errorf(codes.ResourceExhausted, "no room in --model_cache_dir: %d bytes more are needed; --model_cache_bytes is %d, and what is served is not removed", n, c.limit)
	}
	r.taken += n
	c.taken += n
	return nil
}

// takeFree takes room for n more bytes if there is so much without evicting anything.
func (r *Room) takeFree(n int64) bool {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit > 0 && c.excess(n, c.entries()) > 0 {
		return false
	}
	r.taken += n
	c.taken += n
	return true
}

// Give returns the room of what was removed.
func (r *Room) Give(n int64) {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	r.taken -= n
	r.cache.taken -= n
}

// step is how much room a Writer takes beyond what it needs, as long as there is so much: each time, the entries are listed.
const step = 4 << 20

// Writer takes room for what is written to w, ahead of it.
func (r *Room) Writer(w io.Writer) *Writer { return &Writer{room: r, to: w} }

// Writer writes as far as there is room. Close it, to give back what it did not need.
type Writer struct {
	room  *Room
	to    io.Writer
	ahead int64
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	if need := int64(len(p)) - w.ahead; need > 0 {
		if w.room.takeFree(need + step) {
			need += step
		} else if err := w.room.Take(need); err != nil {
			return 0, err
		}
		w.ahead += need
	}
	n, err := w.to.Write(p)
	w.ahead -= int64(n)
	return n, err
}

// Close gives back what was taken and not written.
func (w *Writer) Close() {
	w.room.Give(w.ahead)
	w.ahead = 0
}

// entry is one that was listed.
type entry struct {
	about
	key  string
	used time.Time
}

// entries lists them, least recently used first.
func (c *Cache) entries() (all []entry) {
	found, _ := os.ReadDir(filepath.Join(c.dir, "entries"))
	for _, f := range found {
		e := entry{key: f.Name()} // one that cannot be read was used never, and goes first
		path := filepath.Join(c.dir, "entries", e.key, "about.json")
		if info, err := os.Stat(path); err == nil {
			e.used = info.ModTime()
		}
		if text, err := os.ReadFile(path); err == nil {
			json.Unmarshal(text, &e.about)
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return a.used.Compare(b.used) })
	return all
}

// evict removes entries that nobody uses until there is room for n bytes more. Call with mu held.
func (c *Cache) evict(n int64) bool {
	all := c.entries()
	need := c.excess(n, all)
	for _, e := range all {
		if need <= 0 {
			break
		}
		if c.remove(e.key) {
			need -= e.Bytes
		}
	}
	return need <= 0
}

// excess is by how much n bytes more would be too many. Call with mu held.
func (c *Cache) excess(n int64, all []entry) int64 {
	for _, e := range all {
		n += e.Bytes
	}
	return c.taken + n - c.limit
}

// remove is false where the entry is in use.
func (c *Cache) remove(key string) bool {
	dir := filepath.Join(c.dir, "entries", key)
	lock, err := lockDir(dir, syscall.LOCK_EX)
	if err != nil {
		return false
	}
	defer lock.Close()
	gone := filepath.Join(c.dir, "work", fmt.Sprintf("gone-%s-%d", key, os.Getpid()))
	if err := os.Rename(dir, gone); err != nil {
		return false
	}
	os.RemoveAll(gone)
	return true
}

// prepare makes the directories, and removes once what processes that were killed have left.
func (c *Cache) prepare() error {
	if c.dir == "" {
		return status.Error(codes.FailedPrecondition, "models from afar need a directory to be kept in: set --model_cache_dir")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, dir := range []string{filepath.Join(c.dir, "entries"), filepath.Join(c.dir, "work")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return writeError(err)
		}
		if err := trusted(dir); err != nil {
			return err
		}
	}
	if c.swept {
		return nil
	}
	c.swept = true
	left, _ := filepath.Glob(filepath.Join(c.dir, "work", "*"))
	for _, dir := range left {
		// A directory is locked right after it is made: younger ones are not touched.
		info, err := os.Lstat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if lock, err := lockDir(dir, syscall.LOCK_EX); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
	return nil
}

// trusted refuses a directory that others may write to: whoever writes there decides what the server runs.
func trusted(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return writeError(err)
	}
	owner := uint32(os.Geteuid())
	if s, ok := info.Sys().(*syscall.Stat_t); ok && cmp.Or(s.Uid, owner) != owner {
		return status.Errorf(codes.FailedPrecondition, "--model_cache_dir: %s belongs to another user", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return status.Errorf(codes.FailedPrecondition, "--model_cache_dir: others may write to %s: chmod go-w it", dir)
	}
	return nil
}
