package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"shoal/serving/rpc/rpctest"
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

// rpcOutcomes are the codes of each call, by testKeys. Reload is asked for the models that are served already.
type rpcOutcomes struct{ predict, metadata, status, reload, health, reflection [4]codes.Code }

func rpcCodes(c ...codes.Code) [4]codes.Code { return [4]codes.Code(c) }

var (
	rpcFree     = rpcCodes(codes.OK, codes.OK, codes.OK, codes.OK)
	rpcForUsers = rpcCodes(codes.Unauthenticated, codes.Unauthenticated, codes.OK, codes.OK)
	rpcForAdmin = rpcCodes(codes.Unauthenticated, codes.Unauthenticated, codes.PermissionDenied, codes.OK)
	rpcRefused  = rpcCodes(codes.Unauthenticated, codes.Unauthenticated, codes.PermissionDenied, codes.PermissionDenied)
	rpcUsual    = rpcOutcomes{rpcForUsers, rpcForUsers, rpcForUsers, rpcForAdmin, rpcFree, rpcForUsers}
)

func checkRPC(t *testing.T, address, root string, want rpcOutcomes) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	spec := &apis_go_proto.ModelSpec{Name: "half_plus_two"}
	calls := []struct {
		name string
		want [4]codes.Code
		do   func(ctx context.Context) error
	}{
		{"Predict", want.predict, func(ctx context.Context) error {
			y, _, err := predictRPC(ctx, conn, "half_plus_two", 1)
			if err == nil && y != 3.5 {
				t.Errorf("the answer is %v", y)
			}
			return err
		}},
		{"GetModelMetadata", want.metadata, func(ctx context.Context) error {
			return rpctest.Call(ctx, conn, "GetModelMetadata", &apis_go_proto.GetModelMetadataRequest{ModelSpec: spec, MetadataField: []string{"signature_def"}}, new(apis_go_proto.GetModelMetadataResponse))
		}},
		{"GetModelStatus", want.status, func(ctx context.Context) error {
			return rpctest.Call(ctx, conn, "GetModelStatus", &apis_go_proto.GetModelStatusRequest{ModelSpec: spec}, new(apis_go_proto.GetModelStatusResponse))
		}},
		{"HandleReloadConfigRequest", want.reload, func(ctx context.Context) error { return reloadRPC(ctx, conn, halfAt(root+"/half_plus_two")) }},
		{"health", want.health, func(ctx context.Context) error {
			_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}},
		{"reflection", want.reflection, func(ctx context.Context) error {
			stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
			if err != nil {
				return err
			}
			_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}) // Recv says why it failed
			_, err = stream.Recv()
			return err
		}},
	}
	for _, c := range calls {
		for i, key := range testKeys {
			ctx, cancel := context.WithCancel(t.Context())
			if key != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
			}
			err := c.do(ctx)
			if status.Code(err) != c.want[i] {
				t.Errorf("%s with key %q: %v, want %v", c.name, key, err, c.want[i])
			}
			if err != nil && strings.Contains(err.Error(), "-key-0123456789") {
				t.Errorf("%s: a key is in the error: %v", c.name, err)
			}
			cancel()
		}
	}
}

func halfAt(path string) *config_go_proto.ModelConfig {
	return &config_go_proto.ModelConfig{Name: "half_plus_two", BasePath: path, ModelPlatform: "tensorflow"}
}

func reloadRPC(ctx context.Context, conn *grpc.ClientConn, models ...*config_go_proto.ModelConfig) error {
	req := &apis_go_proto.ReloadConfigRequest{Config: &config_go_proto.ModelServerConfig{
		Config: &config_go_proto.ModelServerConfig_ModelConfigList{ModelConfigList: &config_go_proto.ModelConfigList{Config: models}}}}
	return rpctest.Call(ctx, conn, "HandleReloadConfigRequest", req, new(apis_go_proto.ReloadConfigResponse))
}

func monitoringConfig(t *testing.T) string {
	return "--monitoring_config_file=" + writeFile(t, t.TempDir(), "monitoring.config", `prometheus_config { enable: true }`)
}

// Every path and call with every kind of key, where the administration is on the API's ports.
func TestKeys(t *testing.T) {
	root := testModels(t)
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+root+"/half_plus_two", "--api_key_file="+keyFile(t, bothKeys),
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
	s := start(t, append(flags, "--model_name=half_plus_two", "--model_base_path="+root+"/half_plus_two", "--api_key_file="+keyFile(t, bothKeys), monitoringConfig(t))...)
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
	s := start(t, append(flags, "--model_name=half_plus_two", "--model_base_path="+root+"/half_plus_two", "--rest_api_enable_cors_support")...)
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

// Keys follow their file, and stay as they are while it has a fault.
func TestKeysFollowTheirFile(t *testing.T) {
	file := keyFile(t, bothKeys)
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two", "--api_key_file="+file)
	code := func(key string) int {
		resp, _ := ask(t, "POST", s.url+predictPath, predictBody, key)
		return resp.StatusCode
	}
	next := "next-key-0123456789"
	writeFile(t, filepath.Dir(file), "keys", bothKeys+"predict "+next)
	s.eventually("a new key is taken", func() bool { return code(next) == 200 })
	writeFile(t, filepath.Dir(file), "keys", "predict "+predictKey+"\nadmin tooshort")
	s.eventually("the fault is reported", func() bool { return strings.Contains(s.log.String(), "line 2: the key has 8 characters") })
	if got := [2]int{code(next), code(predictKey)}; got != [2]int{200, 200} {
		t.Errorf("with a fault in the file: %v", got)
	}
	writeFile(t, filepath.Dir(file), "keys", "predict "+predictKey)
	s.eventually("a key that was taken away is refused", func() bool { return code(next) == 401 })
	if code(predictKey) != 200 {
		t.Error("a key that stayed is refused")
	}
	if strings.Contains(s.log.String(), "-key-0123456789") || strings.Contains(s.log.String(), "tooshort") {
		t.Error("a key is in the log")
	}
}

func TestReloadDisabled(t *testing.T) {
	root := testModels(t)
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+root+"/half_plus_two", "--enable_model_reload=false")
	err := reloadRPC(t.Context(), s.dial(), halfAt(root+"/half_plus_two"))
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "--enable_model_reload is false") {
		t.Error(err)
	}
}

// A call may name what lies below the roots, and leave alone what the operator's own configuration has elsewhere.
func TestAllowedModelRoots(t *testing.T) {
	models, root := testModels(t), t.TempDir()
	half, tf1 := models+"/half_plus_two", models+"/tf1"
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+half, "--allowed_model_roots="+root)
	conn := s.dial()
	symlink(t, models+"/tf1/1", filepath.Join(root, "tf1", "1"))
	symlink(t, models+"/tf1", filepath.Join(root, "link"))
	model := func(name, path string, change func(*config_go_proto.ModelConfig)) *config_go_proto.ModelConfig {
		m := &config_go_proto.ModelConfig{Name: name, BasePath: path, ModelPlatform: "tensorflow"}
		if change != nil {
			change(m)
		}
		return m
	}
	logTo := func(prefix string) func(*config_go_proto.ModelConfig) {
		return func(m *config_go_proto.ModelConfig) {
			m.LoggingConfig = &config_go_proto.LoggingConfig{LogCollectorConfig: &config_go_proto.LogCollectorConfig{FilenamePrefix: prefix},
				SamplingConfig: &config_go_proto.SamplingConfig{SamplingRate: 1}}
		}
	}
	label := func(m *config_go_proto.ModelConfig) { m.VersionLabels = map[string]int64{"stable": 2} }
	own := halfAt(half)
	for _, c := range []struct {
		name string
		own  *config_go_proto.ModelConfig
		more *config_go_proto.ModelConfig
		why  string // "": it is taken
	}{
		{"below", own, model("tf1", root+"/tf1", nil), ""},
		{"with a log below", own, model("tf1", root+"/tf1", logTo(root+"/log")), ""},
		{"elsewhere", own, model("tf1", tf1, nil), "model tf1: base_path " + tf1 + " is outside --allowed_model_roots"},
		{"up and elsewhere", own, model("tf1", root+"/../x", nil), "is outside"},
		{"through a link", own, model("tf1", root+"/link", nil), "is outside"},
		{"with a log elsewhere", own, model("tf1", root+"/tf1", logTo(models+"/log")), "filename_prefix " + models + "/log is outside"},
		{"with a log beside", own, model("tf1", root+"/tf1", logTo(root)), "filename_prefix"},
		{"the operator's under another name", own, model("other", half, nil), "is outside"},
		{"the operator's with a label", model("half_plus_two", half, label), nil, "model half_plus_two: base_path " + half + " is outside"},
		{"the operator's with a log", model("half_plus_two", half, logTo(root+"/log")), nil, "is outside"},
		{"the operator's alone", own, nil, ""},
	} {
		list := []*config_go_proto.ModelConfig{c.own}
		if c.more != nil {
			list = append(list, c.more)
		}
		err := reloadRPC(t.Context(), conn, list...)
		switch {
		case c.why == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.why != "" && (status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: %v, want %s", c.name, err, c.why)
		}
	}
	if y, _, err := predictRPC(t.Context(), conn, "half_plus_two", 1); err != nil || y != 3.5 {
		t.Errorf("%v %v", y, err)
	}
}

// The published Python clients, with keys and without.
func TestPythonClientsWithKeys(t *testing.T) {
	root := testModels(t)
	flags, url, address := adminPorts(t)
	s := start(t, append(flags, "--model_name=half_plus_two", "--model_base_path="+root+"/half_plus_two", "--api_key_file="+keyFile(t, bothKeys))...)
	pythonChecks(t, []string{"keys"}, map[string]string{"grpc": s.grpc, "rest": s.url, "admin": address, "admin_rest": url,
		"predict_key": predictKey, "admin_key": adminKey, "wrong_key": wrongKey, "root": root})
}

// check says what is wrong with a file of keys, and quotes none.
func TestCheckKeyFile(t *testing.T) {
	models := []string{"check", "--model_name=half_plus_two", "--model_base_path=" + testModels(t) + "/half_plus_two"}
	_, stderr, code := shoal(t, t.TempDir(), append(models, "--api_key_file="+keyFile(t, "predict "+predictKey+"\n"+adminKey+"\npredict short"))...)
	if code != 1 || !strings.Contains(stderr, "line 3: it must begin with") || !strings.Contains(stderr, "line 4: the key has 5") || strings.Contains(stderr, adminKey) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if stdout, stderr, code := shoal(t, t.TempDir(), append(models, "--api_key_file="+keyFile(t, bothKeys))...); code != 0 {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}
