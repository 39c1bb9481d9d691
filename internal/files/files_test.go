package files

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 300_000) // more than a chunk
	path := write(t, filepath.Join(t.TempDir(), "file"), content)
	if got, err := Read(path, int64(len(content))); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := Read(write(t, filepath.Join(t.TempDir(), "empty"), nil), 1); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	// Its size is not told.
	if got, err := Read("/proc/self/status", MaxConfig); err != nil || !bytes.Contains(got, []byte("VmRSS")) {
		t.Errorf("%q, %v", got, err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(bufio.NewReaderSize(f, 1<<20)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	zero := filepath.Join(dir, "zero")
	if err := os.Symlink("/dev/zero", zero); err != nil {
		t.Fatal(err)
	}
	large := write(t, filepath.Join(dir, "large"), make([]byte, 101))
	for path, want := range map[string]string{pipe: "named pipe", zero: "device", large: "more than 100 bytes", dir: "is a directory", dir + "/none": "no such file"} {
		_, err := Read(path, 100)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Read(%s): %v", path, err)
		}
		if path == large {
			continue
		}
		if _, err = Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s): %v", path, err)
		}
		if err = Regular(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Regular(%s): %v", path, err)
		}
	}
	if _, err := Read(dir+"/none", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := AllRegular(dir); err == nil || !strings.Contains(err.Error(), pipe) {
		t.Error(err)
	}
	// A link to the directory itself is a circle, and no fault.
	good := t.TempDir()
	write(t, good+"/a/b/file", nil)
	if err := os.Symlink(good, good+"/a/again"); err != nil {
		t.Fatal(err)
	}
	if err := AllRegular(good); err != nil {
		t.Error(err)
	}
}

// What gives nothing for the timeout is given up, what goes on slowly is not; and a path that hangs is not tried again before
// its call has come back.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, err := within("slow", func(progress func()) (int, error) {
			for range 10 {
				time.Sleep(DefaultTimeout - time.Second)
				progress()
			}
			return 7, nil
		}, nil)
		if slow != 7 || err != nil {
			t.Errorf("%d, %v", slow, err)
		}
		release, late := make(chan struct{}), 0
		calls := 0
		hang := func() error {
			_, err := within("mount", func(func()) (int, error) {
				calls++
				<-release
				return 1, nil
			}, func(n int) { late += n })
			return err
		}
		start := time.Now()
		if err := hang(); err == nil || !strings.Contains(err.Error(), "--file_timeout") || time.Since(start) != DefaultTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := hang(); err == nil || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
		close(release)
		synctest.Wait()
		if late != 1 {
			t.Error("what came late was not released")
		}
		if err := hang(); err != nil || calls != 2 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}
