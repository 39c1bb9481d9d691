package configs

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	const model = "--model_base_path=/models/m "
	for _, c := range []struct {
		args string
		want []string // beginnings
	}{
		{model, nil},
		{"", []string{"no model to serve: give --model_base_path"}},
		{model + "--model_name=", []string{"--model_name: must not be empty"}},
		{model + "--port=0 --rest_api_port=0", []string{"nothing to listen on"}},
		{model + "--port=0", nil},
		{model + "--port=0 --rest_api_port=0 --grpc_socket_path=/tmp/s", nil},
		{model + "--port=70000 --rest_api_port=-1", []string{"--port: 70000 is no port", "--rest_api_port: -1 is no port"}},
		{model + "--enable_batching=false --batching_parameters_file=x", []string{"--batching_parameters_file: has no meaning with --enable_batching=false"}},
		{model + "--batching_parameters_file=x", nil},
		{model + "--prefer_tflite_model", nil},
		{model + "--per_process_gpu_memory_fraction=1.5", []string{"--per_process_gpu_memory_fraction: 1.5 must be 0"}},
		{model + "--per_process_gpu_memory_fraction=NaN", []string{"--per_process_gpu_memory_fraction: NaN must be 0"}},
		{model + "--tensorflow_session_parallelism=1 --tensorflow_intra_op_parallelism=1 --tensorflow_inter_op_parallelism=1",
			[]string{"--tensorflow_session_parallelism: give it, or"}},
		{model + "--tensorflow_session_parallelism=1 --tensorflow_intra_op_parallelism=1", nil},
		{model + "--use_alts_credentials --ssl_config_file=x", []string{"--use_alts_credentials, --ssl_config_file: give one of them"}},
		{model + "--rest_address=127.0.0.1:80 --grpc_address=[::1]", []string{"--rest_address: \"127.0.0.1:80\" must be an address"}},
		{model + "--rest_tls_cert_file=/does/not/exist", []string{"--rest_tls_cert_file, --rest_tls_key_file: give both"}},
		{model + "--engine=fastest", []string{`--engine: "fastest" is none of tensorflow, auto, openvino`}},
		{model + "--engine_tolerance=0", []string{"--engine_tolerance: must be more than 0"}},
		{model + "--freeze_variables=some", []string{`--freeze_variables: "some" is none of auto, always, never`}},
		{model + "--virtual_cpu_devices=-1", []string{"--virtual_cpu_devices: -1 must be"}},
		{model + "--cpu_scheduling=idle", []string{`--cpu_scheduling: "idle" is neither batch nor normal`}},
		{model + "--freeze_variables=always --prune_graphs=false", []string{"--freeze_variables=always: has no meaning with --prune_graphs=false"}},
		{model + "--log_format=xml --instances=-1 --drain_timeout=-1s --max_request_bytes=0 --num_load_threads=-1 --saved_model_tags=,",
			[]string{"--saved_model_tags: names no tag", "--max_request_bytes: 0 must be", "--instances: -1 must be 0 or more",
				"--num_load_threads: -1", "--drain_timeout: -1s", `--log_format: "xml" is no format`}},
	} {
		s, err := Parse(strings.Fields(c.args), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.args, err)
		}
		got, _ := errors.AsType[Faults](s.Validate())
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s:\n got %q\nwant %q", c.args, []string(got), c.want)
		}
	}
}

func TestListen(t *testing.T) {
	for _, c := range []struct{ args, rest, grpc string }{
		{"", ":8501", ":8500"},
		{"--port=8501", ":8501", ":8501"}, // one port for both
		{"--port=0 --rest_address=127.0.0.1", "127.0.0.1:8501", ""},
		{"--grpc_address=::1 --rest_api_port=0", "", "[::1]:8500"},
		{"--rest_address=[::1]", "[::1]:8501", ":8500"},
	} {
		s, err := Parse(strings.Fields(c.args), nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.RESTListen() != c.rest || s.GRPCListen() != c.grpc {
			t.Errorf("%s: REST %q, gRPC %q", c.args, s.RESTListen(), s.GRPCListen())
		}
	}
}

func TestNotes(t *testing.T) {
	for args, want := range map[string]string{
		"--model_config_file=f --model_name=m":                           "--model_name and --model_base_path have no effect",
		"--model_config_file_poll_wait_seconds=1":                        "--model_config_file_poll_wait_seconds has no effect",
		"--mixed_precision=float16":                                      "--mixed_precision=float16 has no effect",
		"--enable_batching=false --enable_per_model_batching_parameters": "--enable_per_model_batching_parameters has no effect",
	} {
		s, err := Parse(strings.Fields(args), nil)
		if err != nil {
			t.Fatal(err)
		}
		if notes := s.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], want) {
			t.Errorf("%s: %q", args, notes)
		}
	}
	s, err := Parse([]string{"--model_config_file=f"}, []string{"SHOAL_MODEL_NAME=m", "SHOAL_MODEL_BASE_PATH=/models/m"})
	if err != nil {
		t.Fatal(err)
	}
	if notes, remarks := s.Notes(), s.Remarks(); len(notes) != 0 || len(remarks) != 1 || s.Models.Name != "m" {
		t.Errorf("a model of the environment beside a configuration file: %q, %q", notes, remarks)
	}
	if notes := Default().Notes(); len(notes) != 0 {
		t.Errorf("a server told nothing has notes: %q", notes)
	}
}

// Profiles are for people on the machine: another address is a fault.
func TestDebugAddress(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:6060": "", "localhost:6060": "", "[::1]:6060": "",
		":6060": "not a loopback address", "0.0.0.0:6060": "not a loopback address", "10.0.0.1:6060": "not a loopback address", "example.com:6060": "not a loopback address",
		"127.0.0.1": "no address with a port", "127.0.0.1:http": "no address with a port", "127.0.0.1:0": "no address with a port",
	} {
		s, err := Parse([]string{"--model_base_path=/m", "--debug_address=" + address}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}
