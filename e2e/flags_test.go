package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoal/configs"
)

// A flag of tensorflow_model_server with a value to start with. Where it has no effect, noted is part of the reason given.
type flagCase struct{ name, value, noted string }

// everyFlag are all flags of tensorflow_model_server, but for the ports, which the tests choose, and those that end the
// process or exclude others: version, platform_config_file.
func everyFlag(t *testing.T) []flagCase {
	dir := t.TempDir()
	ca := newAuthority(t, "the test's authority")
	cert, key := ca.issue("server")
	file := func(name, text string) string { return writeFile(t, dir, name, text) }
	return []flagCase{
		{"grpc_socket_path", filepath.Join(shortDir(t), "s"), ""},
		{"grpc_max_threads", "64", ""},
		{"grpc_channel_arguments", "grpc.max_connection_age_ms=600000,grpc.lb_policy_name=pick_first", ""},
		{"rest_api_num_threads", "8", ""},
		{"rest_api_timeout_in_ms", "20000", ""},
		{"rest_api_enable_cors_support", "true", ""},
		{"enable_batching", "true", ""},
		{"batching_parameters_file", file("batching", "max_batch_size { value: 32 } # a comment\n"), ""},
		{"enable_per_model_batching_parameters", "false", ""},
		{"allow_version_labels_for_unavailable_models", "true", ""},
		{"model_config_file", modelsConfig(t), ""},
		{"model_config_file_poll_wait_seconds", "60", ""},
		{"model_name", "unused", "--model_config_file beats"},
		{"model_base_path", "/unused", "--model_config_file beats"},
		{"num_load_threads", "2", ""},
		{"num_unload_threads", "1", ""},
		{"max_num_load_retries", "0", ""},
		{"load_retry_interval_micros", "1000", ""},
		{"file_system_poll_wait_seconds", "2", ""},
		{"flush_filesystem_caches", "true", "the kernel"},
		{"tensorflow_session_parallelism", "0", ""},
		{"tensorflow_intra_op_parallelism", "1", ""},
		{"tensorflow_inter_op_parallelism", "2", ""},
		{"tensorflow_session_config_file", file("session", "log_device_placement: false"), ""},
		{"ssl_config_file", file("ssl", fmt.Sprintf("server_key: %q server_cert: %q", key, cert)), ""},
		{"use_alts_credentials", "false", "ALTS"},
		{"per_process_gpu_memory_fraction", "0.5", ""},
		{"saved_model_tags", "serve", ""},
		{"enable_model_warmup", "true", ""},
		{"num_request_iterations_for_warmup", "2", ""},
		{"monitoring_config_file", file("monitoring", `prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }`), ""},
		{"remove_unused_fields_from_bundle_metagraph", "true", "always so"},
		{"prefer_tflite_model", "true", "the SavedModel is served"},
		{"num_tflite_pools", "1", "TensorFlow Lite is not supported"},
		{"num_tflite_interpreters_per_pool", "1", "TensorFlow Lite is not supported"},
		{"enable_signature_method_name_check", "true", ""},
		{"xla_cpu_compilation_enabled", "true", ""},
		{"xla_gpu_compilation_enabled", "false", ""},
		{"enable_profiler", "true", "profiler"},
		{"thread_pool_factory_config_file", file("pool", "x"), "pools"},
		{"mixed_precision", "bfloat16", ""},
		{"skip_initialize_tpu", "true", "TPU"},
		{"enable_grpc_healthcheck_service", "true", ""},
		{"enable_serialization_as_tensor_content", "true", ""},
	}
}

// The server starts and serves with all flags at once, in each form that they may be written in; the log tells every value
// that is in effect, and gives a line with the reason for every one that is not.
func TestEveryFlag(t *testing.T) {
	flags := everyFlag(t)
	write := func(form func(flagCase) []string) (args []string) {
		for _, f := range flags {
			args = append(args, form(f)...)
		}
		return args
	}
	for name, args := range map[string][]string{
		"--name=value": write(func(f flagCase) []string { return []string{"--" + f.name + "=" + f.value} }),
		"--name value": write(func(f flagCase) []string { return []string{"--" + f.name, f.value} }),
		"bare booleans": write(func(f flagCase) []string {
			if f.value == "true" {
				return []string{"--" + f.name}
			}
			return []string{"--" + f.name + "=" + f.value}
		}),
		"environment": nil,
	} {
		t.Run(name, func(t *testing.T) {
			if name == "environment" {
				for _, f := range flags {
					t.Setenv("SHOAL_"+strings.ToUpper(f.name), f.value)
				}
			}
			s := start(t, append([]string{"--log_format=json", "--log_level=debug"}, args...)...)
			all, changed, notes := s.configuration()
			for name, value := range changed {
				if all[name] != value {
					t.Errorf("--%s: %q differs from its default, and %q is in effect", name, value, all[name])
				}
			}
			for f := range configs.Flags() {
				if value, said := changed[f.Name]; said != (f.Noted == "" && f.Name != "version" && all[f.Name] != f.Default()) {
					t.Errorf("--%s: the log says that %q differs from the default %q: %v", f.Name, value, f.Default(), said)
				}
			}
			for _, f := range flags {
				switch {
				case f.noted != "" && !slices.ContainsFunc(notes, func(n string) bool {
					return strings.Contains(n, "--"+f.name) && strings.Contains(n, f.noted) && (strings.Contains(n, "no effect"))
				}):
					t.Errorf("--%s: no line says that it has no effect, and why", f.name)
				case f.noted == "" && all[f.name] != f.value:
					t.Errorf("--%s: the log says %q, want %q", f.name, all[f.name], f.value)
				}
			}
			s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })
			resp := s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
			if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Error("no CORS headers")
			}
		})
	}
}

// configuration is what the log (JSON) says of all flags at DEBUG, and at INFO of those that differ from their defaults, its
// warnings, and what has no effect.
func (s *server) configuration() (all, changed map[string]string, notes []string) {
	all, changed = map[string]string{}, map[string]string{}
	for line := range strings.Lines(s.log.String()) {
		var record struct {
			Level, Msg string
			Set, Flag  map[string]string
		}
		if json.Unmarshal([]byte(line), &record) != nil {
			continue
		}
		if record.Level == "DEBUG" {
			maps.Copy(all, record.Flag)
		} else {
			maps.Copy(changed, record.Set)
		}
		if record.Level == "WARN" || strings.Contains(record.Msg, "no effect") {
			notes = append(notes, record.Msg)
		}
	}
	return all, changed, notes
}

// Flags that cannot hold end the start, with a text that says what to do.
func TestRefusedFlags(t *testing.T) {
	dir := t.TempDir()
	model := "--model_base_path=" + testModels(t) + "/half_plus_two"
	for _, c := range []struct{ flag, want string }{
		{"--model_base_pth=/x", "did you mean --model_base_path?"},
		{"--enable-batching", "did you mean --enable_batching?"},
		{"--noenable_batching", "write --enable_batching=false"},
		{"-port=8500", "flags begin with two dashes"},
		{"--port=seventy", "--port"},
		{"--rest_api_port=99999", "--rest_api_port"},
		{"--max_num_load_retries", "--max_num_load_retries"},
		{"--per_process_gpu_memory_fraction=2", "--per_process_gpu_memory_fraction"},
		{"--grpc_channel_arguments=grpc.max_connection_age_ms=soon", "grpc.max_connection_age_ms"},
		{"--platform_config_file=" + writeFile(t, dir, "platform", `platform_configs { key: "caffe" value { } }`), `only "tensorflow" is`},
		{"--monitoring_config_file=" + writeFile(t, dir, "monitoring", `prometheus_config { enable: maybe }`), "MonitoringConfig"},
		{"--ssl_config_file=" + writeFile(t, dir, "ssl", `server_key: "key.pem" server_cert: "cert.pem"`), "must hold PEM itself"},
		{"--tensorflow_session_config_file=/no/such/file", "/no/such/file"},
		{"halibut", "halibut"},
	} {
		if _, stderr, code := shoal(t, ".", "serve", model, c.flag); code <= 0 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %q in %s", c.flag, code, c.want, stderr)
		}
	}
}

// Wrong starts end the process with a text that says what is wrong.
func TestBadStarts(t *testing.T) {
	root := testModels(t)
	broken := writeFile(t, t.TempDir(), "broken.config", "model_config_list { config { name: \"a\" ")
	labels := writeFile(t, t.TempDir(), "labels.config", fmt.Sprintf(`model_config_list { config { name: "half_plus_two" base_path: "%s/half_plus_two" model_platform: "tensorflow" version_labels { key: "stable" value: 1 } } }`, root))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--model_config_file=" + broken}, "Error parsing text-format tensorflow.serving.ModelServerConfig"},
		{[]string{"--model_config_file=/no/such/file"}, "/no/such/file"},
		{[]string{"--model_config_file=" + labels}, "Request to assign label to version 1 of model half_plus_two, which is not currently available for inference"},
		{[]string{"--model_base_path=" + root + "/half_plus_two", "--rest_api_prot=1"}, "rest_api_port"},
		{nil, "model_base_path"},
	} {
		s := launch(t, c.args...)
		if code := s.wait(); code <= 0 || !strings.Contains(s.log.String(), c.want) {
			t.Errorf("%v: exit %d, want %q in\n%s", c.args, code, c.want, s.log)
		}
	}
}
