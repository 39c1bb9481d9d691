package main

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/configs"
	"shoal/configs/configfile"
	"shoal/internal/files"
	"shoal/internal/lines"
	"shoal/serving"
)

// loadFrom reads the files that flags name.
func loadFrom(t *testing.T, args ...string) (*configs.Server, *configFiles, error) {
	t.Helper()
	cfg, err := configs.Parse(append([]string{"--model_base_path=" + t.TempDir()}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := loadFiles(cfg)
	return cfg, files, err
}

// The flags' defaults are those of the packages that they configure, which the flags do not import.
func TestDefaultsOfFlags(t *testing.T) {
	cfg := configs.Default()
	if cfg.Batching.MaxQueuedRows != batcher.DefaultMaxQueuedRows || cfg.Lifecycle.FileTimeout != files.DefaultTimeout || cfg.Monitoring.LogBuffer != lines.DefaultBytes {
		t.Errorf("%d rows, %v, %d bytes", cfg.Batching.MaxQueuedRows, cfg.Lifecycle.FileTimeout, cfg.Monitoring.LogBuffer)
	}
}

func TestModelsOf(t *testing.T) {
	read, err := configfile.ParseModels("f", []byte(`model_config_list {
	  config { name: "two" base_path: "/m/b" model_version_policy { latest { num_versions: 2 } } }
	  config { name: "all" base_path: "/m/d" model_version_policy { all {} } logging_config { log_collector_config { filename_prefix: "/l" } } }
	  config { name: "some" base_path: "/m/e" model_version_policy { specific { versions: [16, 2] } } version_labels { key: "stable" value: 2 } }
	}`))
	models, err := checkedModels(read, err, "f")
	if err != nil {
		t.Fatal(err)
	}
	want := []serving.ModelConfig{
		{Name: "two", BasePath: "/m/b", Platform: "tensorflow", Policy: serving.VersionPolicy{Latest: 2}},
		{Name: "all", BasePath: "/m/d", Platform: "tensorflow", Policy: serving.VersionPolicy{All: true}},
		{Name: "some", BasePath: "/m/e", Platform: "tensorflow", Policy: serving.VersionPolicy{Specific: []int64{2, 16}}, Labels: map[string]int64{"stable": 2}},
	}
	if !reflect.DeepEqual(models.configs, want) || len(models.logging) != 1 || models.unset {
		t.Errorf("\n got %+v\nwant %+v", models, want)
	}
}

// The faults of models, those of their base paths and those of their request logs are told together.
func TestModelFaults(t *testing.T) {
	const text = `model_config_list { config { name: "nowhere" } config { name: "far" base_path: "hdfs://n/m" } config { name: "log" base_path: "/i" logging_config {
	  log_collector_config { type: "kafka" } sampling_config { sampling_rate: 2 } } } }`
	want := []string{
		`model "nowhere": base_path must not be empty`,
		`model "far": base_path "hdfs://n/m": hdfs:// is not supported: use a local or mounted directory, file://`,
		`logging_config of model log: log_collector_config.type "kafka" is unknown; supported is "file"`,
		`logging_config of model log: log_collector_config.filename_prefix is missing`,
		`logging_config of model log: sampling_config.sampling_rate is to be between 0 and 1`,
	}
	beginsWith := func(prefix string) func(got, want string) bool {
		return func(got, want string) bool { return strings.HasPrefix(got, prefix+want) }
	}
	read, err := configfile.ParseModels("models.config", []byte(text))
	_, err = checkedModels(read, err, "models.config")
	if got := strings.Split(status.Convert(err).Message(), "\n"); status.Code(err) != codes.InvalidArgument || !slices.EqualFunc(got, want, beginsWith("models.config: ")) {
		t.Errorf("while the server runs: %v", err)
	}
	_, err = checkedModels(read, nil, "")
	if got := strings.Split(status.Convert(err).Message(), "\n"); status.Code(err) != codes.InvalidArgument || !slices.EqualFunc(got, want[1:], beginsWith("")) {
		t.Errorf("of a call: %v", err)
	}
	file := writeFile(t, t.TempDir(), "models.config", text)
	_, _, err = loadFrom(t, "--model_config_file="+file)
	if got, _ := errors.AsType[configs.Faults](err); !slices.EqualFunc(got, want, beginsWith(file+": ")) {
		t.Errorf("at the start: %v", err)
	}
}

// The batcher takes whatever a file of parameters may say.
func TestBatcherConfig(t *testing.T) {
	for text, want := range map[string]batcher.Config{
		"": {MaxBatchSize: 1000, MaxExecutionBatchSize: 1000, MaxTaskRows: 1000, MaxEnqueuedBatches: 10},
		`max_batch_size { value: 128 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 1000000 }
		  num_batch_threads { value: 8 } pad_variable_length_inputs: true allowed_batch_sizes: 32 allowed_batch_sizes: [64, 128]`: {
			MaxBatchSize: 128, MaxExecutionBatchSize: 128, MaxTaskRows: 128, BatchTimeout: 1500 * time.Microsecond, MaxEnqueuedBatches: 1000000,
			AllowedBatchSizes: []int{32, 64, 128}, PadVariableLength: true},
		`max_batch_size { value: 100 } enable_large_batch_splitting { value: true } max_execution_batch_size { value: 25 }`: {
			MaxBatchSize: 100, MaxExecutionBatchSize: 25, MaxTaskRows: 100, MaxEnqueuedBatches: 10, Split: true},
		`enable_large_batch_splitting { value: true }`: {
			MaxBatchSize: 1000, MaxExecutionBatchSize: 1000, MaxTaskRows: 1000, MaxEnqueuedBatches: 10, Split: true},
	} {
		got, err := ownBatching(writeFile(t, t.TempDir(), "batching.config", text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", text, got, err, want)
		}
		got.EnsureDefaults()
		if err := got.Validate(); err != nil {
			t.Errorf("%s: the batcher refuses it: %v", text, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, dir, "keys", "predict short\nadmin 0123456789abcdef\n0123456789abcdef0123456789abcdef\n")
	_, _, err := loadFrom(t, "--api_key_file="+file)
	for _, want := range []string{"--api_key_file: " + file + ": line 1: the key has 5 characters", file + ": line 3: it must begin with predict or admin"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "0123456789abcdef") {
		t.Errorf("the error quotes a key: %v", err)
	}
	cfg, _, err := loadFrom(t, "--api_key_file="+writeFile(t, dir, "keys", "# nobody administers\npredict 0123456789abcdef\n"))
	if err != nil {
		t.Fatal(err)
	}
	if notes := cfg.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "has no admin key") {
		t.Errorf("notes %q", notes)
	}
	if _, _, err := loadFrom(t, "--api_key_file="+dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	_, _, err = loadFrom(t, "--api_key_file=/no/such/keys")
	if err == nil || strings.ReplaceAll(err.Error(), "stat /no", "open /no") != "--api_key_file: open /no/such/keys: no such file or directory" {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadInstanceGroups(t *testing.T) {
	load := func(file string) (*configFiles, error) {
		_, files, err := loadFrom(t, "--instance_groups_file="+file)
		return files, err
	}
	files, err := load("../../configs/instance_groups.config")
	if err != nil {
		t.Fatal(err)
	}
	if g := files.groups.For("resnet"); len(g) != 1 || g[0].Count != 2 || len(g[0].GPUs) != 2 {
		t.Errorf("resnet: %+v", g)
	}
	if g := files.groups.For("any other"); len(g) != 1 || g[0].Kind != "" {
		t.Errorf("others: %+v", g)
	}
	for text, want := range map[string]string{
		`model { name: "m" instance_group { count: -1 kind: KIND_MODEL } } model { name: "m" instance_group {} }`: `groups: model "m", instance_group 1: count is -1: |groups: model "m", instance_group 1: KIND_MODEL is not supported|groups: model "m": is named twice`,
		`model { name: "m" instance_groups {} }`: "Error parsing text-format",
	} {
		_, err := load(writeFile(t, t.TempDir(), "groups", text))
		for part := range strings.SplitSeq(want, "|") {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q", text, err, part)
			}
		}
	}
	if _, err := load("nowhere"); err == nil || !strings.HasPrefix(err.Error(), "--instance_groups_file: open nowhere") {
		t.Error(err)
	}
}
