package configfile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/configs"
)

func load(t *testing.T, args ...string) (*configs.Server, *Files, error) {
	t.Helper()
	s, err := configs.Parse(append([]string{"--model_base_path=/models/m"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Load(s)
	return s, files, err
}

func TestExamples(t *testing.T) {
	s, files, err := load(t, "--model_config_file=../models.config", "--batching_parameters_file=../batching.config",
		"--monitoring_config_file=../monitoring.config")
	if err != nil {
		t.Fatal(err)
	}
	if len(files.Models.Configs) != 2 || len(files.Models.Logging) != 1 || files.Batching.MaxBatchSize != 128 ||
		files.Metrics != (Metrics{true, DefaultMetricsPath}) {
		t.Errorf("%+v", files)
	}
	// The examples mean what they say: nothing but the flag that the models' file beats is noted.
	if notes := s.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "--model_name and --model_base_path") {
		t.Errorf("%q", notes)
	}
}

func TestLoadWithoutFiles(t *testing.T) {
	_, files, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(files.Models.Configs) != 1 || files.Batching != nil || files.SSL != nil || files.Metrics.Enabled || files.Session == nil {
		t.Errorf("%+v", files)
	}
}

// One start tells everything that is wrong, of flags and of files.
func TestLoadListsAllFaults(t *testing.T) {
	models := write(t, "models.config", "model_config_list { config { nam: 'x' } }")
	batching := write(t, "batching.config", "max_batch_size { value: 0 } num_batch_threads { value: 0 }")
	_, _, err := load(t, "--rest_api_port=-1", "--model_config_file="+models, "--batching_parameters_file="+batching,
		"--monitoring_config_file=/does/not/exist", "--ssl_config_file="+write(t, "ssl.config", "server_key: 'key.pem'"),
		"--tensorflow_session_config_file="+write(t, "session.config", "intra_op_paralelism_threads: 1"))
	got, _ := errors.AsType[configs.Faults](err)
	want := []string{
		"--rest_api_port: -1 is no port",
		"Error parsing text-format tensorflow.serving.ModelServerConfig: 1:30: unknown field: nam (did you mean name?)",
		batching + ": max_batch_size must be positive; was 0",
		batching + ": num_batch_threads must be positive; was 0",
		"Error parsing text-format tensorflow.ConfigProto: 1:1: unknown field: intra_op_paralelism_threads (did you mean intra_op_parallelism_threads?)",
		"--monitoring_config_file: open /does/not/exist",
	}
	if len(got) != len(want)+2 || !slices.EqualFunc(got[:len(want)], want, strings.HasPrefix) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	for _, want := range []string{"server_key must hold PEM itself (-----BEGIN …), not a file's name", "server_cert must not be empty"} {
		if !strings.Contains(err.Error(), "ssl.config: "+want) {
			t.Errorf("no fault %s", want)
		}
	}
}

// Files that are read later are looked at too.
func TestLoadLooksAtNamedFiles(t *testing.T) {
	for args, want := range map[string]string{
		"--rest_tls_cert_file=/does/not/exist --rest_tls_key_file=../models.config": "--rest_tls_cert_file, --rest_tls_key_file: open /does/not/exist",
		"--custom_op_libraries=/does/not/exist.so":                                  "--custom_op_libraries: stat /does/not/exist.so",
	} {
		_, _, err := load(t, strings.Fields(args)...)
		got, _ := errors.AsType[configs.Faults](err)
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, want %q", args, []string(got), want)
		}
	}
}

func TestSession(t *testing.T) {
	file := "--tensorflow_session_config_file=" + write(t, "session.config", `
		intra_op_parallelism_threads: 3 inter_op_parallelism_threads: 4
		device_count { key: "CPU" value: 2 }
		gpu_options { allow_growth: true per_process_gpu_memory_fraction: 0.25 }`)
	for _, c := range []struct {
		args         []string
		intra, inter int32
		gpu          float64
	}{
		{nil, 0, 0, 0},
		{[]string{"--tensorflow_session_parallelism=2"}, 2, 2, 0},
		{[]string{"--tensorflow_session_parallelism=2", "--tensorflow_intra_op_parallelism=1"}, 1, 2, 0},
		{[]string{file}, 3, 4, 0.25},
		{[]string{file, "--tensorflow_inter_op_parallelism=1", "--per_process_gpu_memory_fraction=0.5"}, 3, 1, 0.5},
	} {
		_, files, err := load(t, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		s := files.Session
		if s.IntraOpParallelismThreads != c.intra || s.InterOpParallelismThreads != c.inter || s.GetGpuOptions().GetPerProcessGpuMemoryFraction() != c.gpu {
			t.Errorf("%q: %v", c.args, s)
		}
	}
	_, files, err := load(t, file, "--xla_gpu_compilation_enabled", "--mixed_precision=bfloat16")
	if err != nil {
		t.Fatal(err)
	}
	graph := files.Session.GetGraphOptions()
	if graph.GetOptimizerOptions().GetGlobalJitLevel() != pb.OptimizerOptions_ON_1 || graph.GetOptimizerOptions().GetCpuGlobalJit() ||
		graph.GetRewriteOptions().GetAutoMixedPrecisionOnednnBfloat16() != pb.RewriterConfig_ON ||
		!files.Session.GetGpuOptions().GetAllowGrowth() || files.Session.GetDeviceCount()["CPU"] != 2 {
		t.Errorf("%v", files.Session)
	}
	// A file that turns XLA off is obeyed.
	_, files, err = load(t, "--xla_gpu_compilation_enabled", "--tensorflow_session_config_file="+
		write(t, "off.config", "graph_options { optimizer_options { global_jit_level: OFF } }"))
	if err != nil || files.Session.GetGraphOptions().GetOptimizerOptions().GetGlobalJitLevel() != pb.OptimizerOptions_OFF {
		t.Errorf("%v, %v", files.Session, err)
	}
}

func TestMetrics(t *testing.T) {
	for text, want := range map[string]Metrics{
		"": {false, DefaultMetricsPath},
		"prometheus_config { enable: true, path: '/m' }": {true, "/m"},
		"prometheus_config: { enable: True }":            {true, DefaultMetricsPath},
	} {
		got, err := ReadMetrics(write(t, "monitoring.config", text))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if _, err := ReadMetrics(write(t, "monitoring.config", "prometheus_config { path: 'm' }")); err == nil ||
		err.Error() != `prometheus_config.path: "m" must begin with /` {
		t.Errorf("%v", err)
	}
	s, _, err := load(t, "--rest_api_port=0", "--monitoring_config_file=../monitoring.config")
	if notes := s.Notes(); err != nil || len(notes) != 1 || !strings.HasPrefix(notes[0], "--monitoring_config_file has no effect") {
		t.Errorf("%q, %v", notes, err)
	}
}

func TestPlatform(t *testing.T) {
	s, files, err := load(t, "--saved_model_tags=gpu", "--tensorflow_intra_op_parallelism=7", "--platform_config_file="+write(t, "platform.config", `
platform_configs {
  key: "tensorflow"
  value {
    source_adapter_config {
      [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {
        legacy_config {
          session_config { intra_op_parallelism_threads: 2 }
          batching_parameters { max_batch_size { value: 16 } }
          saved_model_tags: ["serve", "tpu"]
          enable_model_warmup: true
          model_warmup_options { num_request_iterations { value: 3 } }
          session_target: "local"
        }
      }
    }
  }
}`))
	if err != nil {
		t.Fatal(err)
	}
	if files.Batching.MaxBatchSize != 16 || files.Session.IntraOpParallelismThreads != 2 || !slices.Equal(s.TensorFlow.Tags, []string{"serve", "tpu"}) ||
		!s.Lifecycle.Warmup || s.Lifecycle.WarmupIterations != 3 {
		t.Errorf("%+v %+v %+v", s.TensorFlow, s.Lifecycle, files)
	}
	want := []string{
		"--platform_config_file: session_target has no effect here",
		"--saved_model_tags has no effect: --platform_config_file beats it",
		"--tensorflow_intra_op_parallelism has no effect: --platform_config_file beats it",
	}
	if got := s.Notes(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestPlatformFaults(t *testing.T) {
	for text, want := range map[string]string{
		"": `platform_configs: has no settings for "tensorflow"`,
		"platform_configs { key: 'tensorflow' value {} }": "has no source_adapter_config",
		"platform_configs { key: 'other' value {} }":      `platform "other" is not supported`,
		"platform_configs { key: 'tensorflow' value { source_adapter_config { [type.googleapis.com/tensorflow.serving.Odd] {} } } }":                "(the source adapter must be [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig])",
		"platform_configs { key: 'tensorflow' value { source_adapter_config { [type.googleapis.com/tensorflow.serving.BatchingParameters] {} } } }": "source adapter tensorflow.serving.BatchingParameters is not supported",
		`platform_configs { key: 'tensorflow' value { source_adapter_config { [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {
		  legacy_config { batching_parameters { allowed_batch_sizes: 1 } } } } } }`: "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 1; expected 1000",
	} {
		_, _, err := load(t, "--platform_config_file="+write(t, "platform.config", text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "platform.config") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
