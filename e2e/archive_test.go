package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A model is served from an archive on an HTTP server: from its first start, from the cache when that server is away, and never for
// a call that may not name it.
func TestModelFromAnHTTPArchive(t *testing.T) {
	half := testModels(t) + "/half_plus_two"
	var content atomic.Pointer[[]byte]
	archive := tarball(t, half+"/1")
	content.Store(&archive)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/models/half.tar.gz" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*content.Load()))
	}))
	t.Cleanup(web.Close)
	cached := "--model_cache_dir=" + filepath.Join(t.TempDir(), "cache")
	at := web.URL + "/models/half.tar.gz"
	flags := []string{"--model_name=half_plus_two", "--model_base_path=" + at, cached}

	stdout, stderr, code := shoal(t, t.TempDir(), append([]string{"check"}, flags...)...)
	if code != 0 || !strings.Contains(stdout, "no faults; 1 model(s)") {
		t.Errorf("check: exit %d: %s%s", code, stdout, stderr)
	}
	_, stderr, code = shoal(t, t.TempDir(), "check", "--model_name=m", "--model_base_path="+web.URL+"/none.zip", cached)
	if code != 1 || !strings.Contains(stderr, "model m: base_path: "+web.URL+"/none.zip: the server answers 404 Not Found") {
		t.Errorf("check: exit %d: %s", code, stderr)
	}
	_, stderr, code = shoal(t, t.TempDir(), "check", "--model_name=m", "--model_base_path=hdfs://host/m", cached)
	if code != 1 || !strings.Contains(stderr, "hdfs:// is not supported: use a local or mounted directory, file://, http://, https://") {
		t.Errorf("check: exit %d: %s", code, stderr)
	}
	stdout, stderr, code = shoal(t, t.TempDir(), "inspect", cached, at)
	if code != 0 || !strings.Contains(stdout, "http://localhost:8501/v1/models/half:predict") {
		t.Errorf("inspect: exit %d: %s%s", code, stdout, stderr)
	}

	s := start(t, flags...)
	s.want("POST", "/v1/models/half_plus_two/versions/1:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
	other := halfAt(web.URL + "/models/other.zip")
	if err := reloadRPC(t.Context(), s.dial(), other); status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "is outside --allowed_model_roots") {
		t.Errorf("a call named a URL: %v", err)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}

	web.Close()
	s = start(t, flags...)
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
	s.says("the model is taken from the cache")
}

// An archive that is replaced is loaded again, and no request fails meanwhile. A broken one changes nothing.
func TestAnArchiveIsReplaced(t *testing.T) {
	half, dir := testModels(t)+"/half_plus_two", t.TempDir()
	at := filepath.Join(dir, "5.zip")
	replace := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(at+".new", content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(at+".new", at); err != nil {
			t.Fatal(err)
		}
	}
	replace(zipped(t, half+"/1"))
	s := start(t, "--model_name=m", "--model_base_path=file://"+at, "--model_cache_dir="+filepath.Join(dir, "cache"), "--load_retry_interval_micros=1000", "--file_system_poll_wait_seconds=1")
	const url, body = "/v1/models/m/versions/5:predict", `{"instances":[1.0]}`
	s.want("POST", url, body, 200, `{"predictions":[2.5]}`)
	replace([]byte("PK, but no archive"))
	s.eventually("the broken archive is given up", func() bool { return s.logged("load given up", "5.zip cannot be unpacked") })
	s.want("POST", url, body, 200, `{"predictions":[2.5]}`)
	replace(zipped(t, half+"/2"))
	s.eventually("the new archive answers", func() bool {
		code, answer, _, err := post(s.url+url, body)
		if err != nil || code != 200 {
			t.Fatalf("%d %s %v", code, answer, err)
		}
		return squeeze(string(answer)) == `{"predictions":[3.5]}`
	})
}

func tarball(t *testing.T, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, err := range []error{w.AddFS(os.DirFS(dir)), w.Close(), z.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func zipped(t *testing.T, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, err := range []error{w.AddFS(os.DirFS(dir)), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
