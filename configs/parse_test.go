package configs

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseFaults(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--model_path=/m", []string{"--model_path: unknown flag: did you mean --model_base_path?"}},
		{"--rest-api-port 80", []string{"--rest-api-port: unknown flag: did you mean --rest_api_port?"}},
		{"--prot=1", []string{"--prot: unknown flag: did you mean --port?"}},
		{"--noenable_batching", []string{"--noenable_batching: unknown flag: write --enable_batching=false"}},
		{"--xyzzy", []string{"--xyzzy: unknown flag: --help lists the flags"}},
		{"-port=1", []string{"-port=1: flags begin with two dashes: did you mean --port?"}},
		{"-port 1", []string{"-port: flags begin with two dashes: did you mean --port?"}},
		{"--port", []string{"--port needs a value: --port=N"}},
		{"--port --enable_batching", []string{"--port needs a value: --port=N"}},
		{"/models/m", []string{`"/models/m": serve takes flags only, as --name=value`}},
		{"--port=x --model_nam=m --enable_batching=maybe extra", []string{
			`--port: "x" is no whole number`,
			"--model_nam: unknown flag: did you mean --model_name?",
			`--enable_batching: "maybe" is none of auto, true and false`,
			`"extra": serve takes flags only, as --name=value`,
		}},
	} {
		_, err := Parse(strings.Fields(c.args), nil)
		got, _ := errors.AsType[Faults](err)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.args, []string(got), c.want)
		}
	}
}

func TestParseTakesTheLast(t *testing.T) {
	s, err := Parse([]string{"--port=1", "--port", "2", "--file_system_poll_wait_seconds", "-1", "--saved_model_tags= a,,b ,a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.GRPC.Port != 2 || s.Lifecycle.VersionPoll >= 0 || !slices.Equal(s.TensorFlow.Tags, []string{"a", "b"}) {
		t.Errorf("%+v %+v %q", s.GRPC, s.Lifecycle, s.TensorFlow.Tags)
	}
}

func TestParseHelp(t *testing.T) {
	for _, arg := range []string{"--help", "-h", "-help"} {
		if _, err := Parse([]string{"--port=x", arg}, nil); !errors.Is(err, ErrHelp) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	s, err := Parse([]string{"--port=3", "--log_level=warn"}, []string{
		"SHOAL_PORT=1", "SHOAL_REST_API_PORT=2", "SHOAL_ENABLE_BATCHING=no", "SHOAL_MODEL_NAME=", "PATH=/bin", "SHOAL_LOG_LEVEL=debug",
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.GRPC.Port != 3 || s.REST.Port != 2 || s.Batching.Enabled != Off || s.Models.Name != "default" || s.Monitoring.LogLevel != 4 {
		t.Errorf("%+v", s)
	}
	if !s.IsSet("rest_api_port") || s.IsSet("model_name") {
		t.Error("set flags are not told from others")
	}
	for f := range Flags() { // every flag has its variable
		if f.Name == "version" {
			continue
		}
		i := slices.IndexFunc(known, func(k knownFlag) bool { return k.name == f.Name })
		s, err := Parse(nil, []string{"SHOAL_" + strings.ToUpper(f.Name) + "=" + known[i].sample})
		if err != nil || f.Value(s) != known[i].sample {
			t.Errorf("%s: %q, %v", f.Variable(), f.Value(s), err)
		}
	}
}

func TestEnvironmentFaultsAndNotes(t *testing.T) {
	_, err := Parse(nil, []string{"SHOAL_REST_API_PORT=x", "SHOAL_INSTANCES=y"})
	for _, want := range []string{`SHOAL_REST_API_PORT: "x" is no whole number`, `SHOAL_INSTANCES: "y" is no whole number`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
	// A service named shoal gives every pod of its namespace these.
	s, err := Parse(nil, []string{
		"SHOAL_PORT=tcp://10.0.0.1:8501", "SHOAL_PORT_8501_TCP_ADDR=10.0.0.1", "SHOAL_SERVICE_HOST=10.0.0.1", "SHOAL_RESTAPI_PORT=80",
	})
	if err != nil || s.GRPC.Port != 8500 || s.IsSet("port") {
		t.Fatalf("port %d, %v", s.GRPC.Port, err)
	}
	want := []string{
		"SHOAL_PORT=tcp://10.0.0.1:8501 is Kubernetes' link to a service named shoal, not a port to listen on: ignored",
		"SHOAL_RESTAPI_PORT names no flag and is ignored: did you mean SHOAL_REST_API_PORT?",
	}
	if got := s.Notes(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNearestNeverPanics(t *testing.T) {
	for _, name := range []string{"", "x", strings.Repeat("port", 1000), "é\xff"} {
		Nearest(name, names())
	}
	if d := distance("model_path", "model_base_path"); d != 5 {
		t.Errorf("distance %d", d)
	}
	if got := Nearest("model_path", names()); got != "model_base_path" {
		t.Errorf("%s", got)
	}
}

// PORT is what Cloud Run and Knative set. It counts if no port is given otherwise, and both APIs share it.
func TestPort(t *testing.T) {
	for _, c := range []struct {
		environ    []string
		args       string
		rest, grpc int
		note       string
	}{
		{[]string{"PORT=8080"}, "", 8080, 8080, ""},
		{[]string{"PORT="}, "", 8501, 8500, ""},
		{[]string{"PORT=8080"}, "--port=9000", 8501, 9000, ""},
		{[]string{"PORT=8080", "SHOAL_REST_API_PORT=9001"}, "", 9001, 8500, ""},
		{[]string{"PORT=tcp://10.0.0.1:80"}, "", 8501, 8500, "PORT=tcp://10.0.0.1:80 is no port (1 to 65535): ignored"},
		{[]string{"PORT=65536"}, "", 8501, 8500, "PORT=65536 is no port (1 to 65535): ignored"},
	} {
		s, err := Parse(strings.Fields(c.args), c.environ)
		if err != nil {
			t.Fatal(err)
		}
		if s.REST.Port != c.rest || s.GRPC.Port != c.grpc {
			t.Errorf("%v %s: REST %d, gRPC %d", c.environ, c.args, s.REST.Port, s.GRPC.Port)
		}
		if notes := strings.Join(s.Notes(), "\n"); notes != c.note {
			t.Errorf("%v %s: %q", c.environ, c.args, notes)
		}
	}
}
