package e2e

import "testing"

// The published clients of Triton and KServe judge the Open Inference Protocol's REST API. The checks are in testdata/python; each is a
// subtest here.
func TestInferenceProtocolREST(t *testing.T) {
	inferenceClients(t)
	s := start(t, "--model_config_file="+modelsConfig(t, "identity", "multi", "fixed", "fail_on_negative"), "--allow_version_labels_for_unavailable_models")
	s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })
	pythonChecks(t, []string{"triton_http", "kserve_rest"}, map[string]string{"grpc": s.grpc, "rest": s.url})
}
