package e2e

import (
	"os"
	"strings"
	"testing"
)

// The ops of tensorflow-text, in a model that no server can load without them.
func TestCustomOps(t *testing.T) {
	libraries := func(names ...string) string {
		for i, name := range names {
			path := inRepository(t, ".cache", "python", "tensorflow_text", "python", "ops", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("tensorflow-text is not there (make test-deps fetches it): %v", err)
			}
			names[i] = path
		}
		return "--custom_op_libraries=" + strings.Join(names, ",")
	}
	both := libraries("_whitespace_tokenizer_v2.so", "_normalize_ops.so")
	base := "--model_base_path=" + testModels(t) + "/words"
	s := start(t, "--model_name=words", base, both)
	s.want("POST", "/v1/models/words:predict", `{"instances":["Große  Fische SCHWIMMEN",""]}`, 200,
		`{"predictions":[{"count":3,"joined":"grosse|fische|schwimmen"},{"count":0,"joined":""}]}`)

	packages := inRepository(t, ".cache", "python")
	s = start(t, "--model_name=words", base, "--custom_op_search_path="+packages)
	s.want("POST", "/v1/models/words:predict", `{"instances":["Große"]}`, 200, `{"predictions":[{"count":1,"joined":"grosse"}]}`)
	if !s.logged("ops loaded for a model that needs them", "package=tensorflow-text", "from="+packages) {
		t.Error("the log does not tell where the ops come from")
	}

	const missing = "; the op CaseFoldUTF8 is not one of TensorFlow's own; the Python package tensorflow-text has it: load its library with --custom_op_libraries"
	for path, why := range map[string]string{"none": "", "/no/such/dir": " (tensorflow-text is installed in none of the directories of --custom_op_search_path: /no/such/dir)"} {
		s = launch(t, "--model_name=words", base, "--max_num_load_retries=0", "--custom_op_search_path="+path)
		s.eventually("the load has failed", func() bool { return s.status("/healthz") == 200 && s.states("words")["1"] == "END" })
		if _, body := s.do("GET", "/v1/models/words", ""); !strings.Contains(body, "Op type not registered 'CaseFoldUTF8'") || !strings.Contains(body, missing+why) {
			t.Errorf("without the libraries: %s", body)
		}
	}

	for library, reason := range map[string]string{
		writeFile(t, t.TempDir(), "ops.so", "no library"): "ops.so", "/no/such.so": "/no/such.so"} {
		s = launch(t, "--model_name=words", base, "--custom_op_libraries="+library)
		code := s.wait()
		if log := s.log.String(); code <= 0 || !strings.Contains(log, reason) || !strings.Contains(log, "--custom_op_libraries") || strings.Contains(log, "rpc error") {
			t.Errorf("exit %d\n%s", code, log)
		}
	}
}
