package configfile

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"

	"shoal/configs"
	"shoal/internal/files"
)

// Models are the models of a ModelServerConfig.
type Models struct {
	Configs []Model
	Logging map[string]*config_go_proto.LoggingConfig // by model, of those whose requests are logged
	Notes   []string                                  // accepted settings that probably do not do what was intended
	Unset   bool                                      // there is no model_config_list, not even an empty one
}

// Model is one model.
type Model struct {
	Name     string
	BasePath string
	Platform string // "tensorflow"
	Policy   Policy
	Labels   map[string]int64
}

// Policy says which of the versions that exist are served.
type Policy struct {
	Latest   int     // the newest n, where nothing else is said
	All      bool    // every version
	Specific []int64 // just these, in order
}

// platform is the only one there is.
const platform = "tensorflow"

// ReadModels are the models that the flags name: those of --model_config_file, else the one at --model_base_path.
func ReadModels(s *configs.Server) (Models, error) {
	if s.Models.ConfigFile == "" {
		return ModelsFromProto(&config_go_proto.ModelServerConfig{
			Config: &config_go_proto.ModelServerConfig_ModelConfigList{
				ModelConfigList: &config_go_proto.ModelConfigList{Config: []*config_go_proto.ModelConfig{
					{Name: s.Models.Name, BasePath: s.Models.BasePath, ModelPlatform: platform},
				}},
			},
		})
	}
	data, err := ReadModelsFile(s)
	if err != nil {
		return Models{}, Blame("model_config_file", s.Models.ConfigFile, err)
	}
	return ParseModels(s.Models.ConfigFile, data)
}

// ReadModelsFile reads --model_config_file.
func ReadModelsFile(s *configs.Server) ([]byte, error) {
	return files.Read(s.Models.ConfigFile, files.MaxConfig)
}

// ParseModels reads a text proto ModelServerConfig. file is its name in errors. The error is *TextError, or Faults as from
// ModelsFromProto.
func ParseModels(file string, data []byte) (Models, error) {
	config := &config_go_proto.ModelServerConfig{}
	if err := parseText(file, data, config, strictText); err != nil {
		return Models{}, err
	}
	models, err := ModelsFromProto(config)
	if err == nil && len(models.Configs) == 0 {
		models.Notes = append(models.Notes, file+" lists no models: nothing is served until it does")
	}
	return models, Blame("model_config_file", file, err)
}

// ModelsFromProto checks a ModelServerConfig and translates it. The error is Faults, with all of them except those of the request
// logs. It comes with the models, so that the caller that makes the logs can add their faults.
func ModelsFromProto(config *config_go_proto.ModelServerConfig) (Models, error) {
	models := Models{Logging: map[string]*config_go_proto.LoggingConfig{}, Unset: config.GetConfig() == nil}
	var faults configs.Faults
	if config.GetCustomModelConfig() != nil {
		faults.Addf("custom_model_config is not supported: list the models in model_config_list")
	}
	seen := map[string]bool{}
	for i, c := range config.GetModelConfigList().GetConfig() {
		m := modelReader{c, fmt.Sprintf("model %q", c.GetName()), &faults, &models}
		switch name := c.GetName(); {
		case name == "":
			m.who = fmt.Sprintf("model_config_list: config number %d", i+1)
			m.faultf("name must not be empty")
		case seen[name]:
			faults.Addf("Illegal to list model %s multiple times in config list", name)
		}
		seen[c.GetName()] = true
		models.Configs = append(models.Configs, Model{
			Name:     c.GetName(),
			BasePath: m.basePath(),
			Platform: m.platform(),
			Policy:   m.policy(),
			Labels:   m.labels(),
		})
		if c.GetLoggingConfig() != nil {
			models.Logging[c.GetName()] = c.GetLoggingConfig()
			if c.GetLoggingConfig().GetSamplingConfig().GetSamplingRate() == 0 {
				m.notef("logging_config: sampling_config.sampling_rate is 0: no request is logged")
			}
		}
	}
	return models, faults.Err()
}

// modelReader translates one ModelConfig, field by field, and collects its faults.
type modelReader struct {
	*config_go_proto.ModelConfig
	who    string
	faults *configs.Faults
	models *Models
}

// faultf adds a fault that begins with the model's name.
func (m modelReader) faultf(format string, args ...any) {
	m.faults.Addf("%s: "+format, append([]any{m.who}, args...)...)
}

// notef adds a note that begins with the model's name.
func (m modelReader) notef(format string, args ...any) {
	m.models.Notes = append(m.models.Notes, fmt.Sprintf("%s: "+format, append([]any{m.who}, args...)...))
}

// basePath may be relative to the working directory, or a URL. Which schemes there are is not known here.
func (m modelReader) basePath() string {
	path := strings.TrimPrefix(m.GetBasePath(), "file://")
	if path == "" {
		m.faultf("base_path must not be empty: it is the directory that holds the versions")
		return ""
	}
	if strings.Contains(path, "://") {
		return path
	}
	return filepath.Clean(path)
}

//lint:file-ignore SA1019 model_type is deprecated, and still in users' files

// platform may be left out; the deprecated model_type stands for it.
func (m modelReader) platform() string {
	name := m.GetModelPlatform()
	switch m.GetModelType() {
	case config_go_proto.ModelType_MODEL_TYPE_UNSPECIFIED:
	case config_go_proto.ModelType_TENSORFLOW:
		if name != "" {
			m.faultf("Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform: leave model_type out")
		}
		m.notef(`model_type is deprecated: write model_platform: "tensorflow"`)
	default:
		m.faultf(`model_type %v is not supported: write model_platform: "tensorflow"`, m.GetModelType())
	}
	if name != "" && name != platform {
		m.faultf("model_platform %q is not supported: use %q", name, platform)
	}
	return platform
}

// policy is the newest version where the model says nothing.
func (m modelReader) policy() Policy {
	p := m.GetModelVersionPolicy()
	switch {
	case p.GetAll() != nil:
		return Policy{All: true}
	case p.GetSpecific() != nil:
		versions := slices.Clone(p.GetSpecific().GetVersions())
		slices.Sort(versions)
		if len(versions) == 0 {
			m.faultf("model_version_policy: specific names no version: add versions: N")
		} else if versions[0] < 0 {
			m.faultf("model_version_policy: version %d must be 0 or more", versions[0])
		}
		return Policy{Specific: slices.Compact(versions)}
	}
	return Policy{Latest: max(1, int(p.GetLatest().GetNumVersions()))}
}

// labels may name a version that the policy does not serve. The server then answers as for any version that does not exist, and a
// note says so.
func (m modelReader) labels() map[string]int64 {
	specific := m.GetModelVersionPolicy().GetSpecific().GetVersions()
	for _, label := range slices.Sorted(maps.Keys(m.GetVersionLabels())) {
		version := m.GetVersionLabels()[label]
		switch {
		case label == "":
			m.faultf("version_labels: a label must not be empty")
		case version < 0:
			m.faultf("version_labels: %q names version %d, which must be 0 or more", label, version)
		case len(specific) > 0 && !slices.Contains(specific, version):
			m.notef("version_labels: %q names version %d, which model_version_policy does not serve", label, version)
		}
	}
	return maps.Clone(m.GetVersionLabels())
}
