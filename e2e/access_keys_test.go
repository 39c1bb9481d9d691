package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Keys follow their file, and stay as they are while it has a fault.
func TestKeysFollowTheirFile(t *testing.T) {
	file := keyFile(t, bothKeys)
	s := startModel(t, "half_plus_two", "--api_key_file="+file)
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

// The published Python clients, with keys and without.
func TestPythonClientsWithKeys(t *testing.T) {
	root := testModels(t)
	flags, url, address := adminPorts(t)
	s := startModel(t, "half_plus_two", append(flags, "--api_key_file="+keyFile(t, bothKeys))...)
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

// bench and top send a key, of the command line or of the environment, and show it nowhere.
func TestCommandsWithKey(t *testing.T) {
	flags, url, _ := adminPorts(t)
	s := start(t, append(flags, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two", "--api_key_file="+keyFile(t, bothKeys))...)
	report := filepath.Join(t.TempDir(), "report.json")
	bench := func(more ...string) []string {
		return append([]string{"bench", "--model=half_plus_two", "--clients=2", "--requests=20", "--duration=20s", "--warmup=0", "--check", "--json=" + report}, more...)
	}
	for _, c := range []struct {
		name, variable string
		args           []string
		code           int
		want           string // on either stream
	}{
		{"bench, REST", "", bench("--api_key="+predictKey, s.url), 0, "20"},
		{"bench, gRPC", "", bench("--api-key", predictKey, "grpc://"+s.grpc), 0, "20"},
		{"bench, from the environment", predictKey, bench(s.url), 0, "20"},
		{"bench, gRPC, from the environment", predictKey, bench("grpc://" + s.grpc), 0, "20"},
		{"bench without a key", "", bench(s.url), 1, "401 Unauthorized"},
		{"bench, gRPC, with a wrong key", wrongKey, bench("grpc://" + s.grpc), 1, "not one of this server's"},
		{"top", adminKey, []string{"top", "--once", url}, 0, "half_plus_two"},
		{"top, with a flag", wrongKey, []string{"top", "--once", "--api_key", adminKey, url}, 0, "half_plus_two"},
		{"top, with a key for predictions", predictKey, []string{"top", "--once", url}, 1, "has to be a key for administration"},
		{"top without a key", "", []string{"top", "--once", url}, 1, "401 Unauthorized"},
		{"top on the port of the API", adminKey, []string{"top", "--once", s.url}, 1, "--admin_port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SHOAL_API_KEY", c.variable)
			stdout, stderr, code := shoal(t, ".", c.args...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Fatalf("exit %d, want %d and %q: %s%s", code, c.code, c.want, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "-key-0123456789") {
				t.Errorf("the key is shown: %s%s", stdout, stderr)
			}
			if c.args[0] != "bench" || code != 0 {
				return
			}
			text, err := os.ReadFile(report)
			if err != nil || strings.Contains(string(text), "-key-0123456789") {
				t.Errorf("the report: %v %s", err, text)
			}
		})
	}
}
