package configs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// known is what tensorflow_model_server's users rely on: each flag's default, and whether it has an effect here. sample
// is a value other than the default.
var known = []knownFlag{
	{"port", "8500", "9000", false},
	{"grpc_socket_path", "", "/tmp/s", false},
	{"grpc_max_threads", "0", "8", false},
	{"grpc_channel_arguments", "", "grpc.max_connection_age_ms=2000", false},
	{"rest_api_port", "8501", "9001", false},
	{"rest_api_num_threads", "0", "8", false},
	{"rest_api_timeout_in_ms", "30000", "500", false},
	{"rest_api_enable_cors_support", "false", "true", false},
	{"enable_batching", "auto", "false", false},
	{"batching_parameters_file", "", "b.config", false},
	{"enable_per_model_batching_parameters", "false", "true", false},
	{"allow_version_labels_for_unavailable_models", "false", "true", false},
	{"model_config_file", "", "m.config", false},
	{"model_config_file_poll_wait_seconds", "0", "60", false},
	{"model_name", "default", "m", false},
	{"model_base_path", "", "/models/m", false},
	{"num_load_threads", "0", "4", false},
	{"num_unload_threads", "0", "4", false},
	{"max_num_load_retries", "5", "0", false},
	{"load_retry_interval_micros", "60000000", "-1", false},
	{"file_system_poll_wait_seconds", "1", "-1", false},
	{"flush_filesystem_caches", "true", "false", true},
	{"tensorflow_session_parallelism", "0", "2", false},
	{"tensorflow_intra_op_parallelism", "0", "2", false},
	{"tensorflow_inter_op_parallelism", "0", "2", false},
	{"tensorflow_session_config_file", "", "s.config", false},
	{"platform_config_file", "", "p.config", false},
	{"ssl_config_file", "", "ssl.config", false},
	{"use_alts_credentials", "false", "true", true},
	{"per_process_gpu_memory_fraction", "0", "0.5", false},
	{"saved_model_tags", "serve", "serve,gpu", false},
	{"enable_model_warmup", "true", "false", false},
	{"num_request_iterations_for_warmup", "0", "3", false},
	{"version", "false", "true", false},
	{"monitoring_config_file", "", "mon.config", false},
	{"remove_unused_fields_from_bundle_metagraph", "true", "false", true},
	{"prefer_tflite_model", "false", "true", true},
	{"num_tflite_pools", "0", "2", true},
	{"num_tflite_interpreters_per_pool", "1", "2", true},
	{"enable_signature_method_name_check", "false", "true", false},
	{"xla_cpu_compilation_enabled", "false", "true", false},
	{"xla_gpu_compilation_enabled", "false", "true", false},
	{"enable_profiler", "true", "false", true},
	{"thread_pool_factory_config_file", "", "t.config", true},
	{"mixed_precision", "", "bfloat16", false},
	{"skip_initialize_tpu", "false", "true", true},
	{"enable_grpc_healthcheck_service", "false", "true", false},
	{"enable_serialization_as_tensor_content", "false", "true", false},
	// Shoal's own.
	{"max_request_bytes", "100MiB", "64KiB", false},
	{"model_cache_dir", "", "/var/cache/models", false},
	{"model_cache_bytes", "64GiB", "1GiB", false},
	{"drain_timeout", "30s", "1m0s", false},
	{"listen_early", "false", "true", false},
	{"file_timeout", "30s", "5s", false},
	{"shutdown_delay", "0s", "5s", false},
	{"log_buffer_bytes", "1MiB", "64KiB", false},
	{"synthetic_warmup", "true", "false", false},
	{"instances", "0", "3", false},
	{"latency_objective", "0s", "20ms", false},
	{"model_weights", "", "a:b:0.5,mlp:3", false},
	{"model_repository", "", "/a,/b", false},
	{"model_control_mode", "poll", "explicit", false},
	{"queue_policies_file", "", "queues.config", false},
	{"stuck_run_timeout", "1m0s", "5m0s", false},
	{"max_batch_size", "0", "64", false},
	{"max_queued_rows", "16384", "100", false},
	{"max_queued_bytes", "0", "64MiB", false},
	{"max_inflight_bytes", "0", "1GiB", false},
	{"min_transfer_rate", "16KiB", "1KiB", false},
	{"devices", "auto", "gpu:0,2", false},
	{"instance_groups_file", "", "groups.config", false},
	{"virtual_cpu_devices", "0", "3", false},
	{"cpu_scheduling", "batch", "normal", false},
	{"status_page", "true", "false", false},
	{"debug_address", "", "127.0.0.1:6060", false},
	{"log_format", "text", "json", false},
	{"log_level", "info", "debug", false},
	{"access_log_ratio", "0", "0.5", false},
	{"triton_metrics", "false", "true", false},
	{"slow_batch_budget", "0s", "250ms", false},
	{"slow_batch_dir", "", "/var/log/shoal", false},
	{"slow_batch_files", "10", "3", false},
	{"rest_address", "", "127.0.0.1", false},
	{"grpc_address", "", "::1", false},
	{"rest_tls_cert_file", "", "cert.pem", false},
	{"rest_tls_key_file", "", "key.pem", false},
	{"engine", "tensorflow", "auto", false},
	{"engine_tolerance", "0.0001", "0.001", false},
	{"engine_min_gain", "0.1", "0.5", false},
	{"openvino_library_dir", "", "/opt/openvino/libs", false},
	{"prune_graphs", "true", "false", false},
	{"freeze_variables", "auto", "never", false},
	{"scratch_dir", "", "/scratch", false},
	{"custom_op_libraries", "", "a.so,b.so", false},
	{"custom_op_search_path", "auto", "none", false},
	{"admin_port", "0", "9501", false},
	{"admin_grpc_port", "0", "9500", false},
	{"admin_address", "127.0.0.1", "::1", false},
	{"enable_model_reload", "true", "false", false},
	{"allowed_model_roots", "", "/models,/more", false},
	{"api_key_file", "", "keys", false},
}

type knownFlag struct {
	name, byDefault, sample string
	noted                   bool
}

func table(t *testing.T, name string) Flag {
	t.Helper()
	for f := range Flags() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no flag %s", name)
	return Flag{}
}

func TestEveryFlag(t *testing.T) {
	for _, k := range known {
		t.Run(k.name, func(t *testing.T) {
			f := table(t, k.name)
			if got := f.Default(); got != k.byDefault {
				t.Errorf("default %q, want %q", got, k.byDefault)
			}
			if (f.Noted != "") != k.noted {
				t.Errorf("noted: %q, want %v", f.Noted, k.noted)
			}
			forms := [][]string{{"--" + k.name + "=" + k.sample}, {"--" + k.name, k.sample}}
			if f.Kind() == boolKind && k.sample == "true" {
				forms = append(forms, []string{"--" + k.name}, []string{"--" + k.name, "--log_level=warn"})
			}
			for _, form := range forms {
				s, err := Parse(form, nil)
				if err != nil {
					t.Fatalf("%q: %v", form, err)
				}
				if got := f.Value(s); got != k.sample {
					t.Errorf("%q gives %q", form, got)
				}
				if !s.IsSet(k.name) {
					t.Errorf("%q: not reported as set", form)
				}
				said := slices.ContainsFunc(s.Notes(), func(n string) bool {
					return strings.HasPrefix(n, "--"+k.name+" has no effect: ")
				})
				if k.noted && !said {
					t.Errorf("%q: no note says that it has no effect: %q", form, s.Notes())
				}
			}
		})
	}
	for f := range Flags() {
		if !slices.ContainsFunc(known, func(k knownFlag) bool { return k.name == f.Name }) {
			t.Errorf("--%s is not tested", f.Name)
		}
	}
}

// Each flag writes a field of its own: two flags bound to one field would pass the test above.
func TestFlagsAreIndependent(t *testing.T) {
	for _, k := range known {
		s, err := Parse([]string{"--" + k.name + "=" + k.sample}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for f := range Flags() {
			if f.Name != k.name && f.Value(s) != f.Default() {
				t.Errorf("--%s changes --%s to %s", k.name, f.Name, f.Value(s))
			}
		}
	}
}

func TestBooleans(t *testing.T) {
	for word, want := range map[string]bool{
		"true": true, "True": true, "1": true, "yes": true, "on": true, "t": true,
		"false": false, "FALSE": false, "0": false, "no": false, "off": false, "f": false,
	} {
		for _, form := range [][]string{{"--enable_batching=" + word}, {"--enable_batching", word}} {
			s, err := Parse(form, nil)
			if err != nil || (s.Batching.Enabled == On) != want {
				t.Errorf("%q: %v, %v", form, s.Batching.Enabled, err)
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "1b": 1, "10 KiB": 10 << 10, "100MiB": 100 << 20, "1gib": 1 << 30, "2kb": 2000, "3MB": 3e6, "1GB": 1e9,
	} {
		s, err := Parse([]string{"--max_request_bytes=" + in}, nil)
		if err != nil || s.REST.MaxRequestBytes != want {
			t.Errorf("%q: %d, %v", in, s.REST.MaxRequestBytes, err)
		}
		again, err := Parse([]string{"--max_request_bytes=" + table(t, "max_request_bytes").Value(s)}, nil)
		if err != nil || again.REST.MaxRequestBytes != want {
			t.Errorf("%q does not survive being printed: %v", in, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1.5MiB", "9000000000GiB", "1TB"} {
		if _, err := Parse([]string{"--max_request_bytes=" + in}, nil); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}

func TestSettersRefuse(t *testing.T) {
	for flag, bad := range map[string][]string{
		"port":                            {"", "x", "1.5", "99999999999", "0x10"},
		"load_retry_interval_micros":      {"1s", "9223372036854775807"},
		"enable_batching":                 {"maybe", "2"},
		"drain_timeout":                   {"30", "soon"},
		"per_process_gpu_memory_fraction": {"half"},
		"log_level":                       {"loud"},
	} {
		for _, value := range bad {
			_, err := Parse([]string{"--" + flag + "=" + value}, nil)
			if err == nil || !strings.HasPrefix(err.Error(), "--"+flag+": ") {
				t.Errorf("--%s=%s: %v", flag, value, err)
			}
		}
	}
	if s, err := Parse([]string{"--port=010"}, nil); err != nil || s.GRPC.Port != 10 {
		t.Errorf("a leading zero is not decimal: %v", err)
	}
}

func ExampleParse() {
	s, err := Parse([]string{"--model_base_path=/models/m", "--rest_api_port", "80", "--enable_batching", "no"}, nil)
	fmt.Println(s.Models.BasePath, s.REST.Port, s.Batching.Enabled, err)
	// Output: /models/m 80 false <nil>
}
