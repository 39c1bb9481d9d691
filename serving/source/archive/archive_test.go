package archive

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/servingtest"
	"shoal/serving/source"
)

func wantError(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), text) {
		t.Errorf("%v\nwant %v: …%s…", err, code, text)
	}
}

func TestFetch(t *testing.T) {
	files := map[string]string{"saved_model.pb": "graph", "variables/variables.index": "index of graph"}
	flat := []item{{name: "saved_model.pb", text: "graph"}, {name: "variables/variables.index", text: "index of graph"}}
	junk := append(model("graph"), item{name: "__MACOSX/m/._x", text: "x"}, item{name: ".DS_Store", text: "x"})
	for name, content := range map[string][]byte{
		"tar": tarOf(t, model("graph")...), "tar.gz": gzipped(t, tarOf(t, model("graph")...)), "zip": zipOf(t, model("graph")...),
		"flat tar.gz": gzipped(t, tarOf(t, flat...)), "flat zip": zipOf(t, flat...), "junk": zipOf(t, junk...),
	} {
		t.Run(name, func(t *testing.T) {
			web := serve(t, content)
			s := newStage(t, t.TempDir(), 1<<20)
			v := s.version(web.URL + "/models/7.tgz?token=secret")
			if v.Number != 7 {
				t.Errorf("version %d", v.Number)
			}
			if c, err := s.Inspect(t.Context(), v); err != nil || !c.HasModel || c.Missing != "" || time.Since(c.Changed) < 59*time.Minute {
				t.Errorf("%+v %v", c, err)
			}
			for range 2 {
				if got := s.fetch(v); !maps.Equal(got, files) {
					t.Errorf("%v", got)
				}
			}
			if n := len(web.downloads()); n != 1 {
				t.Errorf("downloaded %d times", n)
			}
			if left := s.leftovers(); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
			for _, line := range s.log.Lines("") {
				if strings.Contains(line, "secret") {
					t.Errorf("the log has the query: %s", line)
				}
			}
		})
	}
}

// What changes at the base path is a version at another location: the manager loads it again.
func TestAChangedArchiveIsAnotherVersion(t *testing.T) {
	web := serve(t, tarOf(t, model("one")...))
	s := newStage(t, t.TempDir(), 0)
	first := s.version(web.URL + "/m.tar")
	if again := s.version(web.URL + "/m.tar"); again != first {
		t.Errorf("%v, then %v", first, again)
	}
	web.set(func(w *server) { w.content, w.tag = tarOf(t, model("two")...), `"two"` })
	second := s.version(web.URL + "/m.tar")
	if second == first || second.Number != 1 {
		t.Errorf("%v, then %v", first, second)
	}
	_, _, err := s.Fetch(t.Context(), first)
	wantError(t, err, codes.Aborted, "has changed meanwhile")
	if got := s.fetch(second)["saved_model.pb"]; got != "two" {
		t.Errorf("%q", got)
	}
}

// A server is not asked more often than it should be.
func TestProbesAreRemembered(t *testing.T) {
	web := serve(t, tarOf(t, model("m")...))
	s := newStage(t, t.TempDir(), 0)
	s.patience.fresh = time.Hour
	for range 5 {
		s.version(web.URL + "/m.tar")
	}
	web.set(func(w *server) {
		if len(w.asked) != 1 {
			t.Errorf("asked %d times", len(w.asked))
		}
	})
}

func TestADigestInTheBasePath(t *testing.T) {
	content := gzipped(t, tarOf(t, model("graph")...))
	web := serve(t, content)
	dir := t.TempDir()
	s := newStage(t, dir, 0)
	s.fetch(s.version(web.URL + "/m.tgz#sha256=" + digestOf(content)))
	if n := len(web.downloads()); n != 1 || len(web.asked) != 1 {
		t.Errorf("%d downloads, %v", n, web.asked)
	}
	other := s.version(web.URL + "/m.tgz#sha256=" + strings.Repeat("0", 64))
	_, _, err := s.Fetch(t.Context(), other)
	wantError(t, err, codes.DataLoss, "/m.tgz: its sha256 is "+digestOf(content)+", and the base path wants 000")
	if left := s.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	_, err = s.Versions(t.Context(), web.URL+"/m.tgz#sha1=00")
	wantError(t, err, codes.InvalidArgument, "what follows # must be sha256=")

	web.Close()
	s = newStage(t, dir, 0) // as after a restart
	s.fetch(s.version(web.URL + "/elsewhere.tgz#sha256=" + digestOf(content)))
}

func TestStartFromTheCacheWhileTheServerIsAway(t *testing.T) {
	web := serve(t, tarOf(t, model("graph")...))
	dir := t.TempDir()
	v := newStage(t, dir, 0).version(web.URL + "/m.tar")
	newStage(t, dir, 0).fetch(v)
	web.Close()

	s := newStage(t, dir, 0)
	if got := s.version(web.URL + "/m.tar"); got != v {
		t.Fatalf("%v, want %v", got, v)
	}
	if c, err := s.Inspect(t.Context(), v); err != nil || !c.HasModel {
		t.Errorf("%+v %v", c, err)
	}
	if got := s.fetch(v)["saved_model.pb"]; got != "graph" {
		t.Errorf("%q", got)
	}
	if lines := s.log.Lines("the model is taken from the cache"); len(lines) != 1 {
		t.Errorf("%q", s.log.Lines(""))
	}
	_, err := s.Versions(t.Context(), web.URL+"/other.tar")
	wantError(t, err, codes.Unavailable, "/other.tar: ")
}

// A server that answers that there is no archive, or that it gives none, is not away.
func TestAServersErrors(t *testing.T) {
	content := tarOf(t, model("graph")...)
	for answer, code := range map[int]codes.Code{404: codes.NotFound, 410: codes.NotFound, 401: codes.PermissionDenied, 403: codes.PermissionDenied, 500: codes.Unavailable, 302: codes.Unavailable} {
		web := serve(t, content)
		dir := t.TempDir()
		s := newStage(t, dir, 0)
		s.fetch(s.version(web.URL + "/m.tar"))
		web.set(func(w *server) {
			w.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if answer == 302 {
					http.Redirect(w, r, r.URL.Path+"x", answer) // for ever
				} else {
					w.WriteHeader(answer)
				}
				return true
			}
		})
		_, err := s.Versions(t.Context(), web.URL+"/m.tar?token=secret")
		wantError(t, err, code, web.URL+"/m.tar: ")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
		// Once the server has answered, its silence does not bring the cache back: what is served stays.
		_, err = s.Versions(t.Context(), web.URL+"/m.tar")
		wantError(t, err, code, "")
	}
}

func TestLocalArchives(t *testing.T) {
	base := t.TempDir()
	at := filepath.Join(base, "3.zip")
	if err := os.WriteFile(at, zipOf(t, model("one")...), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, t.TempDir(), 0)
	v := s.version("file://" + at)
	if v.Number != 3 || v != s.version(at) {
		t.Errorf("%v", v)
	}
	if c, err := s.Inspect(t.Context(), v); err != nil || time.Since(c.Changed) > time.Hour {
		t.Errorf("%+v %v", c, err)
	}
	if got := s.fetch(v)["saved_model.pb"]; got != "one" {
		t.Errorf("%q", got)
	}
	if err := os.WriteFile(at, zipOf(t, model("another")...), 0o600); err != nil {
		t.Fatal(err)
	}
	if now := s.version(at); now != v {
		t.Errorf("a change was told before it rests: %v", now)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(at, old, old); err != nil {
		t.Fatal(err)
	}
	if again := s.version(at); again == v || s.fetch(again)["saved_model.pb"] != "another" {
		t.Errorf("%v", again)
	}

	// All other paths are directories.
	servingtest.WriteFiles(t, base, "m.zip/2/saved_model.pb")
	v = s.version(filepath.Join(base, "m.zip"))
	if c, err := s.Inspect(t.Context(), v); err != nil || v.Number != 2 || !c.HasModel {
		t.Errorf("%v %+v %v", v, c, err)
	}
	if got := s.fetch(v); len(got) != 1 {
		t.Errorf("%v", got)
	}
	_, err := s.Versions(t.Context(), filepath.Join(base, "none.zip"))
	servingtest.WantStatus(t, err, codes.NotFound, "base path "+base+"/none.zip does not exist")
}

func TestRepositoriesAreDirectories(t *testing.T) {
	root := t.TempDir()
	servingtest.WriteFiles(t, root, "m/1/")
	s := newStage(t, t.TempDir(), 0)
	if found, err := s.Models(t.Context(), root); err != nil || !maps.Equal(found, map[string]string{"m": root + "/m"}) {
		t.Errorf("%v %v", found, err)
	}
	_, err := s.Models(t.Context(), "https://user:secret@host/models")
	servingtest.WantStatus(t, err, codes.Unimplemented, "https://host/models cannot be a model repository: use a local or mounted directory")
}

func TestOneDownloadForAllWhoWantIt(t *testing.T) {
	web := serve(t, tarOf(t, model("graph")...))
	s := newStage(t, t.TempDir(), 0)
	v := s.version(web.URL + "/m.tar")
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { s.fetch(v) })
	}
	all.Wait()
	if n := len(web.downloads()); n != 1 {
		t.Errorf("downloaded %d times", n)
	}
}

func TestAFetchEndsWithItsContext(t *testing.T) {
	content := tarOf(t, model(random(1<<20))...)
	web := serve(t, content)
	ctx, cancel := context.WithCancel(t.Context())
	web.set(func(w *server) {
		w.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				return false
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			w.Write(content[:1000])
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done()
			return true
		}
	})
	s := newStage(t, t.TempDir(), 0)
	v := s.version(web.URL + "/m.tar")
	_, _, err := s.Fetch(ctx, v)
	wantError(t, err, codes.Canceled, "")
	if left := s.leftovers(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestName(t *testing.T) {
	for at, want := range map[string]string{
		"https://h/a/m.tar.gz?x=/y.zip#sha256=0": "m", "/a/7.zip": "7", "/a/m": "m", "https://h/a/model": "model", ".tar": ".tar",
	} {
		if got := Name(at); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

var _ source.Source = (*Source)(nil)
