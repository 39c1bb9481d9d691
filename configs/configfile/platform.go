package configfile

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/servables/tensorflow_go_proto"

	"shoal/configs"
)

// adapter is the only source adapter whose settings have an effect here.
const adapter = "tensorflow.serving.SavedModelBundleSourceAdapterConfig"

// readPlatform reads a text proto PlatformConfigMap: the settings of platform "tensorflow", if they are those of a
// SavedModelBundle source adapter.
func readPlatform(path string) (*tensorflow_go_proto.SessionBundleConfig, error) {
	config := &config_go_proto.PlatformConfigMap{}
	if err := readText(path, config, strictText); err != nil {
		if e, ok := errors.AsType[*TextError](err); ok && strings.Contains(e.Reason, "unable to resolve") {
			e.Reason += " (the source adapter must be [type.googleapis.com/" + adapter + "])"
		}
		return nil, err
	}
	var faults configs.Faults
	for _, name := range slices.Sorted(maps.Keys(config.GetPlatformConfigs())) {
		if name != platform {
			faults.Addf("platform_configs: platform %q is not supported: only %q is", name, platform)
		}
	}
	entry := config.GetPlatformConfigs()[platform]
	if entry == nil {
		faults.Addf("platform_configs: has no settings for %q", platform)
		return nil, faults
	}
	settings := &tensorflow_go_proto.SavedModelBundleSourceAdapterConfig{}
	switch source := entry.GetSourceAdapterConfig(); {
	case source == nil:
		faults.Addf("platform_configs: %q has no source_adapter_config: give a %s", platform, adapter)
	case !source.MessageIs(settings):
		faults.Addf("platform_configs: source adapter %s is not supported: give a %s", source.MessageName(), adapter)
	default:
		if err := source.UnmarshalTo(settings); err != nil {
			faults.Addf("platform_configs: source_adapter_config: %v", err)
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if settings.GetLegacyConfig() == nil {
		return &tensorflow_go_proto.SessionBundleConfig{}, nil
	}
	return settings.GetLegacyConfig(), nil
}

// takePlatform applies a platform file's settings in place of the flags for sessions and batching. It notes settings that have no
// effect here.
func takePlatform(s *configs.Server, c *tensorflow_go_proto.SessionBundleConfig, files *Files, faults *configs.Faults) {
	s.TensorFlow.SessionParallelism, s.TensorFlow.IntraOp, s.TensorFlow.InterOp = 0, 0, 0
	s.TensorFlow.GPUMemoryFraction = 0
	s.TensorFlow.MixedPrecision = c.GetMixedPrecision()
	files.Session = session(&s.TensorFlow, c.GetSessionConfig())
	s.TensorFlow.Tags = []string{"serve"}
	if tags := c.GetSavedModelTags(); len(tags) > 0 {
		s.TensorFlow.Tags = tags
	}
	s.Lifecycle.Warmup = c.GetEnableModelWarmup()
	s.Lifecycle.WarmupIterations = int(c.GetModelWarmupOptions().GetNumRequestIterations().GetValue())
	s.Batching.PerModel = c.GetEnablePerModelBatchingParams()
	if p := c.GetBatchingParameters(); p != nil {
		s.Batching.Enabled = configs.On
		b, err := BatchingFromProto(p)
		faults.Take(err)
		files.Batching = b
	}
	if c.GetPreferTfliteModel() {
		s.Note("--platform_config_file: prefer_tflite_model has no effect: " + configs.SavedModelInstead)
	}
	for _, ignored := range []struct {
		field string
		given bool
	}{
		{"session_target", c.GetSessionTarget() != ""},
		{"session_run_load_threadpool_index", c.GetSessionRunLoadThreadpoolIndex() != nil},
		{"experimental_fixed_input_tensors", len(c.GetExperimentalFixedInputTensors()) > 0},
	} {
		if ignored.given {
			s.Note("--platform_config_file: " + ignored.field + " has no effect here")
		}
	}
}
