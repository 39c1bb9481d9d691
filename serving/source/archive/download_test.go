package archive

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// cutAfter sends a part of the archive and closes the connection.
func cutAfter(content []byte, n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "bytes=0-0" {
			return false
		}
		first := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, len(content)-1, len(content)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-first))
		if first > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content[first:min(first+n, len(content))])
		if first+n >= len(content) {
			return true
		}
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestACutDownloadContinues(t *testing.T) {
	text := random(1 << 20)
	content := gzipped(t, tarOf(t, model(text)...))
	web := serve(t, content)
	web.fault = cutAfter(content, 300_000)
	s := newStage(t, t.TempDir(), 8<<20)
	if got := s.fetch(s.version(web.URL + "/m.tgz"))["saved_model.pb"]; got != text {
		t.Error("the model is another one")
	}
	ranges := web.downloads()
	if len(ranges) != 4 || ranges[0] != "" || !slices.IsSorted(ranges[1:]) || !strings.HasPrefix(ranges[1], "bytes=") {
		t.Errorf("ranges %q", ranges)
	}
	if n := len(s.log.Lines("download interrupted")); n != 3 {
		t.Errorf("%q", s.log.Lines(""))
	}
}

// Without a validator a download cannot be continued: nothing tells that the archive is still the same.
func TestACutDownloadBeginsAnewWithoutAValidator(t *testing.T) {
	content := gzipped(t, tarOf(t, model(random(1<<20))...))
	web := serve(t, content)
	web.tag, web.modified = "", time.Time{}
	cuts := 2
	web.fault = func(w http.ResponseWriter, r *http.Request) bool {
		web.mu.Lock()
		defer web.mu.Unlock()
		if r.Header.Get("Range") != "" || cuts == 0 {
			return false
		}
		cuts--
		return cutAfter(content, 300_000)(w, r)
	}
	s := newStage(t, t.TempDir(), 8<<20)
	s.fetch(s.version(web.URL + "/m.tgz"))
	if ranges := web.downloads(); !slices.Equal(ranges, []string{"", "", ""}) {
		t.Errorf("ranges %q", ranges)
	}
}

// What a server does wrong fails the fetch with a reason, and leaves nothing in the cache.
func TestFaultsOfServers(t *testing.T) {
	content := gzipped(t, tarOf(t, model(random(1<<20))...))
	download := func(answer func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "bytes=0-0" {
				return false
			}
			answer(w, r)
			return true
		}
	}
	for _, c := range []struct {
		name  string
		fault func(http.ResponseWriter, *http.Request) bool
		limit int64
		code  codes.Code
		text  string
	}{
		{"cut again and again at the same place", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" && r.Header.Get("Range") != "bytes=0-0" {
				panic(http.ErrAbortHandler)
			}
			return cutAfter(content, 1000)(w, r)
		}, 0, codes.Unavailable, "/m.tgz: "},
		{"another size", download(func(w http.ResponseWriter, r *http.Request) { w.Write(content[:len(content)-1]) }), 0, codes.Aborted, "has changed meanwhile"},
		{"another archive of the same size", download(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"two"`)
			w.Write(content)
		}), 0, codes.Aborted, "has changed meanwhile"},
		{"a bit is wrong", download(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			broken := slices.Clone(content)
			broken[len(broken)/2] ^= 1
			w.Write(broken)
		}), 0, codes.DataLoss, "/m.tgz cannot be unpacked: "},
		{"it continues elsewhere", func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.Header.Get("Range"), "bytes=1000") {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 999-%d/%d", len(content)-1, len(content)))
				w.WriteHeader(http.StatusPartialContent)
				return true
			}
			return cutAfter(content, 1000)(w, r)
		}, 0, codes.Unavailable, "asked for what follows byte 1000, and sends from byte 999 on"},
		{"it falls silent", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "bytes=0-0" {
				return false
			}
			if r.Header.Get("Range") == "" {
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				w.Write(content[:1000])
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
			return true
		}, 0, codes.Unavailable, "the server sends no more"},
		{"no access any more", download(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }), 0, codes.PermissionDenied, "403"},
		{"there is no room for the archive", nil, 500_000, codes.ResourceExhausted, "--model_cache_bytes is 500000"},
		{"there is no room for the files", nil, 1_500_000, codes.ResourceExhausted, "--model_cache_bytes is 1500000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			web := serve(t, content)
			web.fault = c.fault
			s := newStage(t, t.TempDir(), c.limit)
			if c.name == "it falls silent" {
				s.patience.stall = 50 * time.Millisecond
			}
			v := s.version(web.URL + "/m.tgz")
			_, _, err := s.Fetch(t.Context(), v)
			wantError(t, err, c.code, c.text)
			if left := s.leftovers(); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
			if entries, _ := os.ReadDir(filepath.Join(s.dir, "entries")); len(entries) != 0 {
				t.Errorf("entries: %v", entries)
			}
			// The fault goes, and the next attempt succeeds.
			if c.limit == 0 {
				web.set(func(w *server) { w.fault = nil })
				s.patience.stall = 5 * time.Second
				s.fetch(v)
			}
		})
	}
}

// Redirects are followed, but not from https to http.
func TestRedirects(t *testing.T) {
	content := tarOf(t, model("graph")...)
	web := serve(t, content)
	front := serve(t, nil)
	front.fault = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, web.URL+"/signed", http.StatusFound)
		return true
	}
	s := newStage(t, t.TempDir(), 0)
	if got := s.fetch(s.version(front.URL + "/m.tar"))["saved_model.pb"]; got != "graph" {
		t.Errorf("%q", got)
	}
	req, _ := http.NewRequest("GET", "http://h/", nil)
	first, _ := http.NewRequest("GET", "https://h/", nil)
	if err := newClient().CheckRedirect(req, []*http.Request{first}); err == nil {
		t.Error("a redirect from https to http was followed")
	}
}
