package predictionlog

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"shoal/internal/testlog"
)

func sized(n int) (values []float32) { return make([]float32, n) }

// TestFlushInterval: a record is in the file once the oldest has waited for the interval, and no earlier.
func TestFlushInterval(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "x")
	synctest.Test(t, func(t *testing.T) {
		logs := openLogs(t, Options{FlushInterval: 10 * time.Second}, configs{"m": config(prefix, 1)})
		there := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if got := values(contents(t, prefix+"*")); !slices.Equal(got, want) {
				t.Errorf("after %v: %q, want %q", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), got, want)
			}
		}
		predict(logs, "m", 1)
		there()
		time.Sleep(6 * time.Second)
		predict(logs, "m", 2)
		time.Sleep(4*time.Second - 1)
		there()
		time.Sleep(time.Nanosecond)
		there("1", "2")
		predict(logs, "m", 3)
		time.Sleep(10*time.Second - 1)
		there("1", "2")
		time.Sleep(time.Nanosecond)
		there("1", "2", "3")
		predict(logs, "m", 4)
		closeLogs(t, logs)
		there("1", "2", "3", "4")
	})
}

// TestManyRecordsAreWrittenAtOnce: a full buffer does not wait for the interval.
func TestManyRecordsAreWrittenAtOnce(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "x")
	synctest.Test(t, func(t *testing.T) {
		logs := openLogs(t, Options{FlushInterval: time.Hour}, configs{"m": config(prefix, 1)})
		predict(logs, "m", sized(bufferBytes/8)...)
		synctest.Wait()
		if n := len(contents(t, prefix+"*")); n != 1 {
			t.Errorf("%d records", n)
		}
	})
}

// TestFullQueue has a writer that has not begun: what finds no room is dropped, and told of at most once a minute.
func TestFullQueue(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "x")
	synctest.Test(t, func(t *testing.T) {
		var said testlog.Log
		o := Options{QueueRecords: 3, QueueBytes: 4000, Logger: said.Logger()}.withDefaults()
		s := newSink(stemOf(prefix), o)
		add := func(n int) codes.Code {
			x := floats(sized(n)...)
			return s.add(message(&x))
		}
		for i, want := range []codes.Code{codes.OK, codes.OK, codes.OK, codes.ResourceExhausted, codes.ResourceExhausted} {
			if got := add(1); got != want {
				t.Errorf("record %d: %v", i, got)
			}
		}
		told := func(lines int, last string) {
			t.Helper()
			got := said.Lines("were not logged")
			if len(got) != lines || !strings.Contains(got[lines-1], last) {
				t.Errorf("said %q", got)
			}
		}
		told(1, "requests=1")
		time.Sleep(quiet - 1)
		add(1)
		told(1, "requests=1")
		time.Sleep(time.Nanosecond)
		add(1)
		told(2, "requests=3")
		add(1)

		go s.write()
		synctest.Wait()
		// The bytes are bounded too, but one record always has room.
		for i, want := range []codes.Code{codes.OK, codes.OK} {
			if got := add(5000); got != want {
				t.Errorf("large record %d: %v", i, got)
			}
			synctest.Wait()
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
		told(3, "more requests were not logged\" files="+stemOf(prefix)+"* requests=1")
		if got := add(1); got != codes.Unavailable {
			t.Errorf("after close: %v", got)
		}
		if s.records != 0 || s.bytes != 0 {
			t.Errorf("the empty queue counts %d records of %d bytes", s.records, s.bytes)
		}
	})
}

func TestFullQueueBytes(t *testing.T) {
	s := newSink(stemOf(filepath.Join(t.TempDir(), "x")), Options{QueueBytes: 4000}.withDefaults())
	for i, c := range []struct {
		floats int
		want   codes.Code
	}{{600, codes.OK}, {600, codes.ResourceExhausted}, {300, codes.OK}, {300, codes.ResourceExhausted}, {10, codes.OK}} {
		x := floats(sized(c.floats)...)
		if got := s.add(message(&x)); got != c.want {
			t.Errorf("record %d: %v", i, got)
		}
	}
}

// TestRotation: files stay below their limit, only the newest are kept, and other files are left alone.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	others := []string{"x-notes.tfrecord", "x-20260102T030405.678901Z.txt", "xx-20000101T000000.000000Z.tfrecord"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) { // in which the clock stands still: names stay apart and in order all the same
		chunk := strings.Repeat("r", 40)
		f := files{stem: stemOf(dir + "/x"), limit: 100, keep: 3, log: new(testlog.Log).Logger()}
		for i := range 9 {
			if err := f.write([]byte(chunk + string(rune('0'+i)))); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.write([]byte(strings.Repeat("larger than a file may be ", 10))); err != nil {
			t.Fatal(err)
		}
		f.close()
		paths, _ := filepath.Glob(dir + "/x-2*Z.tfrecord")
		var ends []string
		for _, path := range paths {
			text, _ := os.ReadFile(path)
			ends = append(ends, string(text[len(text)-1:]))
		}
		if want := []string{"7", "8", " "}; !slices.Equal(ends, want) {
			t.Errorf("kept: %q, want %q", ends, want)
		}
		for _, name := range others {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		// Another run of the server keeps to the limit too, and writes to files of its own.
		next := files{stem: f.stem, limit: 100, keep: 3, log: f.log}
		if err := next.write([]byte("next")); err != nil {
			t.Fatal(err)
		}
		next.close()
		if paths, _ = filepath.Glob(dir + "/x-2*Z.tfrecord"); len(paths) != 3 {
			t.Errorf("kept: %q", paths)
		}
	})
}

// TestUnwritable loses what cannot be written, says so, and goes on when the folder is back.
func TestUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	synctest.Test(t, func(t *testing.T) {
		var said testlog.Log
		logs := openLogs(t, Options{Logger: said.Logger()}, configs{"m": config(dir+"/x", 1)})
		write := func(v float32) {
			predict(logs, "m", v)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		write(1)
		write(2)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(3)
		closeLogs(t, logs)
		if got := values(contents(t, dir+"/*")); !slices.Equal(got, []string{"3"}) {
			t.Errorf("the file has %q", got)
		}
		if got := said.Lines("cannot be written"); len(got) != 1 || !strings.Contains(got[0], "requests=1") {
			t.Errorf("said %q", got)
		}
		if got := said.Lines("more requests were not logged"); len(got) != 1 || !strings.Contains(got[0], "requests=1") {
			t.Errorf("said %q", got)
		}
	})
}

// TestHalfWritten: what a failed write leaves is cut off, and the next one begins a new file.
func TestHalfWritten(t *testing.T) {
	dir := t.TempDir()
	f := files{stem: stemOf(dir + "/x"), limit: 1000, keep: 3, log: new(testlog.Log).Logger()}
	defer f.close()
	if err := f.write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	first := f.f.Name()
	func() {
		defer limitFiles(t, 8)()
		if err := f.write([]byte("half of it")); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("on a full disk: %v", err)
		}
	}()
	if err := f.write([]byte("next")); err != nil {
		t.Fatal(err)
	}
	if f.f.Name() <= first {
		t.Errorf("%s follows %s", f.f.Name(), first)
	}
	for path, want := range map[string]string{first: "whole", f.f.Name(): "next"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", path, got, err)
		}
	}
}

// limitFiles makes writes beyond so many bytes of a file fail, half done, as on a full disk, until undo.
func limitFiles(t *testing.T, bytes uint64) (undo func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		signal.Reset(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStem(t *testing.T) {
	for prefix, want := range map[string]string{
		"/var/log/m":      "/var/log/m-",
		"/var/log/m/":     "/var/log/m/",
		"/var/log/../l/m": "/var/l/m-",
		"m":               "m-",
		"/m":              "/m-",
	} {
		if got := stemOf(prefix); got != want {
			t.Errorf("%s: %s, want %s", prefix, got, want)
		}
	}
}
