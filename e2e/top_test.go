package e2e

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// What top shows of a server with traffic, once and without a terminal.
func TestTop(t *testing.T) {
	s := start(t, "--model_config_file="+modelsConfig(t, "multi"), "--allow_version_labels_for_unavailable_models")
	s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })
	row := regexp.MustCompile(`(?m)^half_plus_two \(canary\) +2 +available +[1-9]\S* +0 +\S+s +\S+s +0 `)
	s.eventually("top shows the traffic", func() bool {
		for range 20 {
			s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
		}
		out, errs, code := shoal(t, ".", "top", "--once", s.url)
		if code != 0 || errs != "" || strings.Contains(out, "\x1b") {
			t.Fatalf("exit %d: %q %q", code, out, errs)
		}
		for _, want := range []string{"shoal dev at " + s.url, "ready", "requests/s ", "rejected/s 0", "instances busy ", "half_plus_two (stable) ", "\nmulti "} {
			if !strings.Contains(out, want) { // the page learns of a version a moment after it is available
				t.Logf("no %q in\n%s", want, out)
				return false
			}
		}
		return row.MatchString(out)
	})
}

// Nobody there, no status page, not a Shoal: one line says so.
func TestTopWithoutServer(t *testing.T) {
	s := start(t, "--model_name=m", "--model_base_path="+testModels(t)+"/scalar", "--status_page=false")
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) }))
	defer other.Close()
	for target, want := range map[string]string{
		"127.0.0.1:" + freePort(t): "no server answers", s.url: "--status_page=false", other.URL: "no status page",
	} {
		out, errs, code := shoal(t, ".", "top", "--once", target)
		if code != 1 || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, %q %q, want %q", target, code, out, errs, want)
		}
	}
	for _, args := range [][]string{{"ftp://x"}, {"a", "b"}, {"--nonsense"}} {
		if _, errs, code := shoal(t, ".", append([]string{"top"}, args...)...); code != 2 {
			t.Errorf("%q: exit %d, %s", args, code, errs)
		}
	}
}
