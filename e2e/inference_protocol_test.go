package e2e

import "testing"

// TestInferenceProtocolClients: the published clients of Triton and of KServe work by gRPC.
func TestInferenceProtocolClients(t *testing.T) {
	inferenceClients(t)
	s := start(t, "--model_config_file="+modelsConfig(t, "identity", "multi", "nonbatch", "fail_on_negative"), "--allow_version_labels_for_unavailable_models")
	s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })
	for _, module := range []string{"triton", "kserve_client"} { // a process has room for the stubs of one of them
		pythonChecks(t, []string{module}, map[string]string{"grpc": s.grpc})
	}
}
