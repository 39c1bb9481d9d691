package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"shoal/configs"
)

func TestParseModels(t *testing.T) {
	models, err := ParseModels("f", []byte(`
model_config_list {
  config { name: "newest" base_path: "/m/a/" model_platform: "tensorflow" }
  config { name: "two" base_path: "relative/b" model_version_policy { latest { num_versions: 2 } } }
  config { name: "zero" base_path: "./c" model_version_policy { latest { } } }
  config { name: "all" base_path: "file:///m/d" model_version_policy { all {} } }
  config { name: "far" base_path: "s3://bucket//m/" }
  config {
    name: "some" base_path: "/m/e"
    model_version_policy: { specific: { versions: [0x10, 2] versions: 2 } }
    version_labels { key: "stable" value: 2 }
    version_labels: { key: 'canary', value: 16 }
    logging_config {
      log_collector_config { filename_prefix: "/log/e" }
      sampling_config { sampling_rate: .5 }
    }
  }
}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Model{
		{Name: "newest", BasePath: "/m/a", Platform: "tensorflow", Policy: Policy{Latest: 1}},
		{Name: "two", BasePath: "relative/b", Platform: "tensorflow", Policy: Policy{Latest: 2}},
		{Name: "zero", BasePath: "c", Platform: "tensorflow", Policy: Policy{Latest: 1}},
		{Name: "all", BasePath: "/m/d", Platform: "tensorflow", Policy: Policy{All: true}},
		{Name: "far", BasePath: "s3://bucket//m/", Platform: "tensorflow", Policy: Policy{Latest: 1}},
		{Name: "some", BasePath: "/m/e", Platform: "tensorflow", Policy: Policy{Specific: []int64{2, 16}},
			Labels: map[string]int64{"stable": 2, "canary": 16}},
	}
	if !reflect.DeepEqual(models.Configs, want) {
		t.Errorf("\n got %+v\nwant %+v", models.Configs, want)
	}
	logging := models.Logging["some"]
	if len(models.Logging) != 1 || logging.GetLogCollectorConfig().GetFilenamePrefix() != "/log/e" || logging.GetSamplingConfig().GetSamplingRate() != .5 || len(models.Notes) != 0 {
		t.Errorf("%v %q", models.Logging, models.Notes)
	}
}

// Every fault is listed, not the first alone.
func TestModelFaults(t *testing.T) {
	_, err := ParseModels("models.config", []byte(`
model_config_list {
  config { base_path: "/a" }
  config { name: "twice" base_path: "/b" }
  config { name: "twice" base_path: "/c" }
  config { name: "nowhere" }
  config { name: "torch" base_path: "/d" model_platform: "pytorch" }
  config { name: "other" base_path: "/e" model_type: OTHER }
  config { name: "both" base_path: "/f" model_type: TENSORFLOW model_platform: "tensorflow" }
  config { name: "none" base_path: "/g" model_version_policy { specific {} } }
  config { name: "minus" base_path: "/h" model_version_policy { specific { versions: -3 } }
           version_labels { key: "" value: 1 } version_labels { key: "x" value: -1 } }
}`))
	faults, _ := errors.AsType[configs.Faults](err)
	want := []string{
		"model_config_list: config number 1: name must not be empty",
		"Illegal to list model twice multiple times in config list",
		`model "nowhere": base_path must not be empty`,
		`model "torch": model_platform "pytorch" is not supported: use "tensorflow"`,
		`model "other": model_type OTHER is not supported`,
		`model "both": Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform`,
		`model "none": model_version_policy: specific names no version`,
		`model "minus": model_version_policy: version -3 must be 0 or more`,
		`model "minus": version_labels: a label must not be empty`,
		`model "minus": version_labels: "x" names version -1`,
	}
	for i := range want {
		want[i] = "models.config: " + want[i]
	}
	if !slices.EqualFunc(faults, want, strings.HasPrefix) {
		t.Errorf("\n got %s\nwant %s", strings.Join(faults, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestModelNotes(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "f lists no models",
		"model_config_list {}": "f lists no models",
		`model_config_list { config { name: "m" base_path: "/m" model_type: TENSORFLOW } }`: `model "m": model_type is deprecated`,
		`model_config_list { config { name: "m" base_path: "/m" model_version_policy { specific { versions: 1 } }
		   version_labels { key: "next" value: 2 } } }`: `model "m": version_labels: "next" names version 2, which model_version_policy does not serve`,
		`model_config_list { config { name: "m" base_path: "/m" logging_config { log_collector_config { filename_prefix: "p" } } } }`: `model "m": logging_config: sampling_config.sampling_rate is 0`,
	} {
		models, err := ParseModels("f", []byte(in))
		if err != nil || len(models.Notes) != 1 || !strings.HasPrefix(models.Notes[0], want) {
			t.Errorf("%s: %q, %v", in, models.Notes, err)
		}
	}
	_, err := ParseModels("f", []byte("custom_model_config { type_url: 'x' }"))
	if err == nil || !strings.Contains(err.Error(), "custom_model_config is not supported") {
		t.Errorf("%v", err)
	}
}

func TestReadModels(t *testing.T) {
	file := filepath.Join(t.TempDir(), "models.config")
	if err := os.WriteFile(file, []byte(`model_config_list { config { name: "b" base_path: "/b" } }`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--model_base_path=/a"}, "default"},
		{[]string{"--model_base_path=/a", "--model_name=a"}, "a"},
		{[]string{"--model_base_path=/a", "--model_config_file=" + file}, "b"},
	} {
		s, err := configs.Parse(c.args, nil)
		if err != nil {
			t.Fatal(err)
		}
		models, err := ReadModels(s)
		if err != nil || len(models.Configs) != 1 || models.Configs[0].Name != c.want {
			t.Errorf("%q: %v, %v", c.args, models, err)
		}
	}
	s := configs.Default()
	s.Models.ConfigFile = "/does/not/exist"
	if _, err := ReadModels(s); err == nil || !strings.HasPrefix(err.Error(), "--model_config_file: open /does/not/exist") {
		t.Errorf("%v", err)
	}
}
