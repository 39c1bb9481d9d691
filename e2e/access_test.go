package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// The keys of the tests, in the order of the tables' columns: none, one that is not the server's, and the server's two.
const (
	wrongKey   = "wrong-key-0123456789"
	predictKey = "predict-key-0123456789"
	adminKey   = "admin-key-0123456789"
)

var testKeys = []string{"", wrongKey, predictKey, adminKey}

func keyFile(t *testing.T, lines string) string {
	return writeFile(t, t.TempDir(), "keys", "# of the test\n"+lines)
}

const bothKeys = "predict " + predictKey + " # the web site's\nadmin " + adminKey + " operators\n"

// ask sends a request with a key to any address, and returns the answer with its body read.
func ask(t *testing.T, method, url, body, key string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") == "text/event-stream" { // it has no end
		return resp, ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

type endpoint struct {
	method, path string
	codes        [4]int // by testKeys
}

const predictPath, predictBody = "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`

var (
	free     = [4]int{200, 200, 200, 200}
	forUsers = [4]int{401, 401, 200, 200}
	forAdmin = [4]int{401, 401, 403, 200}
	absent   = [4]int{401, 401, 404, 404}
	gone     = [4]int{401, 401, 403, 404} // from this port
)

// endpoints are all paths of a REST port; administration is what the pages of the administration answer there.
func endpoints(administration, profiles [4]int, static [4]int) []endpoint {
	return []endpoint{
		{"GET", "/healthz", free}, {"GET", "/readyz", free}, {"HEAD", "/readyz", free}, {"OPTIONS", predictPath, free},
		{"POST", predictPath, forUsers}, {"POST", "/v1/models/half_plus_two/versions/2:predict", forUsers},
		{"GET", "/v1/models", forUsers}, {"GET", "/v1/models/half_plus_two", forUsers}, {"GET", "/v1/models/half_plus_two/metadata", forUsers},
		{"POST", "/v1/models/no_such_model:predict", absent}, {"POST", "/v1/models/x/versions/99999999999999999999:predict", [4]int{401, 401, 400, 400}},
		{"GET", "/", static}, {"GET", "/status/assets/page.js", static},
		{"GET", "/status/events", administration}, {"GET", "/status/model?name=half_plus_two", administration},
		{"GET", "/metrics", administration}, {"GET", "/monitoring/prometheus/metrics", administration}, {"GET", "/openapi.json", administration},
		{"GET", "/debug/goroutines", profiles}, {"GET", "/debug/pprof/", profiles}, {"GET", "/debug/pprof/heap", profiles},
		{"GET", "/no/such/path", absent},
	}
}

func checkREST(t *testing.T, url string, table []endpoint) {
	t.Helper()
	for _, e := range table {
		for i, key := range testKeys {
			resp, body := ask(t, e.method, url+e.path, predictBody, key, "Origin", "https://example.com")
			if resp.StatusCode != e.codes[i] {
				t.Errorf("%s %s with key %q: %d %.200s, want %d", e.method, e.path, key, resp.StatusCode, body, e.codes[i])
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); (challenge == `Bearer realm="shoal"`) != (resp.StatusCode == 401) {
				t.Errorf("%s %s: %d with WWW-Authenticate %q", e.method, e.path, resp.StatusCode, challenge)
			}
			if strings.Contains(body, "-key-0123456789") {
				t.Errorf("%s %s: a key is in the answer: %s", e.method, e.path, body)
			}
		}
	}
}

// Every path and call with every kind of key, where the administration is on the API's ports.
func TestKeys(t *testing.T) {
	root := testModels(t)
	s := startModel(t, "half_plus_two", "--api_key_file="+keyFile(t, bothKeys),
		"--access_log_ratio=1", "--log_level=debug", "--rest_api_enable_cors_support", monitoringConfig(t))
	checkREST(t, s.url, endpoints(forAdmin, absent, free))
	checkRPC(t, s.grpc, root, rpcUsual)

	resp, _ := ask(t, "OPTIONS", s.url+predictPath, "", "", "Origin", "https://example.com", "Access-Control-Request-Headers", "authorization")
	if allowed := resp.Header.Get("Access-Control-Allow-Headers"); allowed != "Content-Type, Authorization" {
		t.Errorf("a page of another origin may send %q", allowed)
	}
	resp, _ = ask(t, "POST", s.url+predictPath, predictBody, "", "Origin", "https://example.com")
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a page of another origin cannot read that a key is needed")
	}
	if _, metrics := ask(t, "GET", s.url+"/metrics", "", adminKey); !strings.Contains(metrics, `code="UNAUTHENTICATED"`) {
		t.Error("requests without a key are not counted")
	}
	s.stop()
	if strings.Contains(s.log.String(), "-key-0123456789") {
		t.Error("a key is in the log")
	}
}

// adminPorts are the flags and the addresses of an administration of its own.
func adminPorts(t *testing.T) (flags []string, url, address string) {
	rest, rpc := freePort(t), freePort(t)
	return []string{"--admin_port=" + rest, "--admin_grpc_port=" + rpc}, "http://127.0.0.1:" + rest, "127.0.0.1:" + rpc
}

// The same where the administration has ports of its own.
func TestKeysAndAdminPorts(t *testing.T) {
	root := testModels(t)
	flags, url, address := adminPorts(t)
	s := startModel(t, "half_plus_two", append(flags, "--api_key_file="+keyFile(t, bothKeys), monitoringConfig(t))...)
	checkREST(t, s.url, endpoints(gone, absent, [4]int{404, 404, 404, 404}))
	checkREST(t, url, endpoints(forAdmin, forAdmin, free))
	onAPI := rpcUsual
	onAPI.reload = rpcRefused
	checkRPC(t, s.grpc, root, onAPI)
	checkRPC(t, address, root, rpcUsual)
}

// Without keys the ports alone tell who may do what; an administration on a loopback address is this machine's alone.
func TestAdminPorts(t *testing.T) {
	root := testModels(t)
	flags, url, address := adminPorts(t)
	s := startModel(t, "half_plus_two", append(flags, "--rest_api_enable_cors_support")...)
	for path, want := range map[string][2]int{"/": {404, 200}, "/metrics": {404, 200}, "/openapi.json": {404, 200}, "/status/events": {404, 200},
		"/debug/pprof/": {404, 200}, "/healthz": {200, 200}, "/readyz": {200, 200}, "/v1/models": {200, 200}} {
		for i, at := range []string{s.url, url} {
			resp, body := ask(t, "GET", at+path, "", "")
			if resp.StatusCode != want[i] || want[i] == 404 && strings.HasPrefix(path, "/m") && !strings.Contains(body, "--admin_port") {
				t.Errorf("%s%s: %d %s, want %d", at, path, resp.StatusCode, body, want[i])
			}
			if cors := resp.Header.Get("Access-Control-Allow-Origin"); (cors != "") != (at == s.url) {
				t.Errorf("%s%s: pages of any origin may read it: %q", at, path, cors)
			}
		}
	}
	if resp, _ := ask(t, "POST", url+predictPath, predictBody, ""); resp.StatusCode != 200 {
		t.Errorf("the status page's form is answered %d", resp.StatusCode)
	}
	if resp, _ := ask(t, "GET", url+"/debug/pprof/heap", "", "", "X-Forwarded-For", "10.0.0.1"); resp.StatusCode != 403 {
		t.Errorf("profiles through a proxy: %d", resp.StatusCode)
	}
	ok := rpcOutcomes{rpcFree, rpcFree, rpcFree, rpcFree, rpcFree, rpcFree}
	checkRPC(t, address, root, ok)
	ok.reload = rpcCodes(codes.PermissionDenied, codes.PermissionDenied, codes.PermissionDenied, codes.PermissionDenied)
	checkRPC(t, s.grpc, root, ok)
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func monitoringConfig(t *testing.T) string {
	return "--monitoring_config_file=" + writeFile(t, t.TempDir(), "monitoring.config", `prometheus_config { enable: true }`)
}
