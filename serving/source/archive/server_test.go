package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shoal/engine/tensorflow/savedmodel"
	"shoal/internal/testlog"
	"shoal/serving/source"
	"shoal/serving/source/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is an HTTP server with one archive, and with faults that a test turns on.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	content  []byte
	tag      string
	modified time.Time
	fault    func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	asked    []string                                          // the Range of each request
}

func serve(t *testing.T, content []byte) *server {
	s := &server{content: content, tag: `"one"`, modified: time.Now().Add(-time.Hour)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Header.Get("Range"))
	content, tag, modified, fault := s.content, s.tag, s.modified, s.fault
	s.mu.Unlock()
	if tag != "" {
		w.Header().Set("ETag", tag)
	}
	if fault != nil && fault(w, r) {
		return
	}
	http.ServeContent(w, r, "", modified, bytes.NewReader(content))
}

func (s *server) set(change func(s *server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// downloads are the ranges of the requests that were no probes.
func (s *server) downloads() (ranges []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asked {
		if r != "bytes=0-0" {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// stage is a source with a cache.
type stage struct {
	*Source
	t   *testing.T
	dir string // of the cache
	log *testlog.Log
}

func newStage(t *testing.T, dir string, limit int64) *stage {
	s := &stage{t: t, dir: dir, log: new(testlog.Log)}
	s.Source = New(Options{Cache: cache.New(dir, limit), Directories: &source.FileSystem{Layout: savedmodel.Layout{}}, Logger: s.log.Logger()})
	s.patience = patience{answer: 5 * time.Second, stall: 5 * time.Second, pause: time.Millisecond, tries: 3}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// version is the only version under a base path.
func (s *stage) version(basePath string) source.Version {
	s.t.Helper()
	found, err := s.Versions(s.t.Context(), basePath)
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%s: %v %v", basePath, found, err)
	}
	for number, location := range found {
		return source.Version{Number: number, Location: location}
	}
	panic("unreachable")
}

// fetch returns the files of a version, and their text.
func (s *stage) fetch(v source.Version) map[string]string {
	s.t.Helper()
	dir, release, err := s.Fetch(s.t.Context(), v)
	if err != nil {
		s.t.Fatalf("%s: %v", v.Location, err)
	}
	defer release()
	files := make(map[string]string)
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// leftovers are the files of the cache that belong to no complete entry.
func (s *stage) leftovers() []os.DirEntry {
	s.t.Helper()
	work, err := os.ReadDir(filepath.Join(s.dir, "work"))
	if err != nil {
		s.t.Fatal(err)
	}
	return work
}

// item is an entry of an archive. A name that ends in "/" is a directory's.
type item struct {
	name, text string
	link, hard string
	kind       byte // of tar, where it is none of these
}

func tarOf(t *testing.T, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(i.text))}
		switch {
		case i.kind != 0:
			h.Typeflag = i.kind
		case i.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, i.link
		case i.hard != "":
			h.Typeflag, h.Linkname = tar.TypeLink, i.hard
		case strings.HasSuffix(i.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(i.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipOf(t *testing.T, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate}
		h.SetMode(0o600)
		text := i.text
		if i.link != "" {
			h.SetMode(os.ModeSymlink | 0o777)
			text = i.link
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// model is a model with this graph.
func model(text string) []item {
	return []item{{name: "m/"}, {name: "m/saved_model.pb", text: text}, {name: "m/variables/"}, {name: "m/variables/variables.index", text: "index of " + text[:min(len(text), 10)]}}
}

// random is the same text on every run, and no gzip makes it smaller.
func random(n int) string {
	var b strings.Builder
	sum := sha256.Sum256(nil)
	for b.Len() < n {
		sum = sha256.Sum256(sum[:])
		b.Write(sum[:])
	}
	return b.String()[:n]
}
