package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

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
