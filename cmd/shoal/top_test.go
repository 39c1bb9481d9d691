package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
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
			if !strings.Contains(out, want) {
				t.Fatalf("no %q in\n%s", want, out)
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

// Whatever a server is called and does, it fits 80 columns.
func TestTopFits(t *testing.T) {
	r := new(topReading)
	for event, data := range map[string]string{
		"hello": `{"version":"1.2.3-45-gabcdef0","since":0}`,
		"state": `{"ready":false,"reasons":["` + strings.Repeat("why ", 50) + `"],"models":[
			{"name":"` + strings.Repeat("name", 20) + `","versions":[{"version":9223372036854775807,"state":"AVAILABLE","labels":["a\u001b[2J","b"]},{"version":1,"state":"END","failed":true}]},
			{"name":"none","versions":[]}],"devices":[{"name":"gpu:0","state":"in_service","memory":85899345920}]}`,
		"history": `[{"at":1},{"at":90061000,"rps":1234567,"eps":99999,"rejected":12345,"p50":99999,"p99":0.01,"queue":16384,"busy":64,"instances":64,"bps":99999,"rows":123.4,
			"models":{"` + strings.Repeat("name", 20) + `":{"versions":{"9223372036854775807":{"rps":99999,"p50":1234.5,"p99":99999,"queue":99999,"rows":512,"busy":64}}}},
			"devices":{"gpu:0":{"use":0.45,"memory":3221225472,"power":210.4,"temperature":56}}}]`,
	} {
		if err := r.take(event, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	lines := topView("localhost:8501", r, 80)
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 || strings.Contains(line, "\x1b") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"NOT READY", "up 25h1m1s", "! why why", "requests/s 1.2M", "failed", "no version", "gpu:0    in service   45 % busy   3.0 of 80.0 GiB   210 W   56 °C"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
