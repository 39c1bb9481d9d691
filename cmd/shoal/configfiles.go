package main

import (
	"errors"
	"strings"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/configs"
	"shoal/configs/configfile"
	"shoal/devices"
	"shoal/internal/files"
	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/predictionlog"
)

// configFiles are what the configuration files say. Models, instance groups and keys are in the types of those who use them.
type configFiles struct {
	*configfile.Files
	models modelSet        // Files.Models, translated
	groups *devices.Groups // nil: nothing is said of instances
	keys   *access.Keys    // nil: no key is needed
}

// modelSet is what a ModelServerConfig says.
type modelSet struct {
	configs []serving.ModelConfig
	logging map[string]*config_go_proto.LoggingConfig // by model, of those whose requests are logged
	unset   bool                                      // there is no model_config_list, not even an empty one
}

// loadFiles reads all files that cfg names. The error has every fault of flags and files.
func loadFiles(cfg *configs.Server) (*configFiles, error) {
	var faults configs.Faults
	read, err := configfile.Load(cfg)
	faults.Take(err)
	s := &configFiles{Files: read, models: modelsOf(read.Models)}
	faults.Take(modelFaults(read.Models, cfg.Models.ConfigFile))
	s.groups = loadGroups(cfg, &faults)
	s.keys = loadKeys(cfg, &faults)
	return s, faults.Err()
}

// modelsOf translates models.
func modelsOf(read configfile.Models) modelSet {
	models := modelSet{logging: read.Logging, unset: read.Unset}
	for _, m := range read.Configs {
		models.configs = append(models.configs, serving.ModelConfig{
			Name: m.Name, BasePath: m.BasePath, Platform: m.Platform, Policy: serving.VersionPolicy(m.Policy), Labels: m.Labels,
		})
	}
	return models
}

// modelFaults is what is wrong with the models' base paths and request logs; file, which may be "", is named in each fault.
func modelFaults(read configfile.Models, file string) error {
	faults := append(sourceFaults(read), predictionlog.Faults(read.Logging)...).Err()
	if file == "" {
		return faults
	}
	return configfile.Blame("model_config_file", file, faults)
}

// checkedModels are models that were read while the server runs, with err; file is where, or "" for a call. The error is
// INVALID_ARGUMENT with every fault.
func checkedModels(read configfile.Models, err error, file string) (modelSet, error) {
	var faults configs.Faults
	faults.Take(err)
	faults.Take(modelFaults(read, file))
	if len(faults) > 0 {
		return modelSet{}, status.Error(codes.InvalidArgument, faults.Error())
	}
	return modelsOf(read), nil
}

// loadGroups reads the instance groups; nil where there is no file.
func loadGroups(cfg *configs.Server, faults *configs.Faults) *devices.Groups {
	path := cfg.Devices.GroupsFile
	if path == "" {
		return nil
	}
	message := devices.NewGroupsMessage()
	err := configfile.ReadText(path, message)
	if err != nil {
		faults.Take(configfile.Blame("instance_groups_file", path, err))
		return nil
	}
	groups, err := devices.GroupsFromProto(message)
	if wrong, ok := errors.AsType[*devices.Error](err); ok {
		err = configs.Faults(wrong.Faults)
	}
	faults.Take(configfile.Blame("instance_groups_file", path, err))
	return groups
}

// readKeys is the content of --api_key_file.
func readKeys(cfg *configs.Server) ([]byte, error) {
	return files.Read(cfg.Access.KeyFile, access.MaxFile)
}

// loadKeys reads the keys; nil where there is no file.
func loadKeys(cfg *configs.Server, faults *configs.Faults) *access.Keys {
	if cfg.Access.KeyFile == "" {
		return nil
	}
	content, err := readKeys(cfg)
	if err != nil {
		faults.Take(configfile.Blame("api_key_file", cfg.Access.KeyFile, err))
		return nil
	}
	keys, err := access.NewKeys(content)
	if err != nil {
		for _, fault := range strings.Split(err.Error(), "\n") {
			faults.Addf("--api_key_file: %s: %s", cfg.Access.KeyFile, fault)
		}
		return nil
	}
	if !keys.HasAdmin() {
		cfg.Note(cfg.Access.KeyFile + " has no admin key: nobody can see the status page and metrics, nor change the models by a call")
	}
	return keys
}

// batcherConfig is the batcher's part of batching parameters: everything but the threads, which all models share.
func batcherConfig(b *configfile.Batching) batcher.Config {
	return batcher.Config{
		MaxBatchSize:          b.MaxBatchSize,
		MaxExecutionBatchSize: b.MaxExecutionBatchSize,
		MaxTaskRows:           b.MaxBatchSize,
		BatchTimeout:          b.BatchTimeout,
		MaxEnqueuedBatches:    b.MaxEnqueuedBatches,
		AllowedBatchSizes:     b.AllowedBatchSizes,
		PadVariableLength:     b.PadVariableLength,
		Split:                 b.Split,
	}
}

// prioritiesOf translates a model's queue policies.
func prioritiesOf(q configfile.Queue) batcher.Priorities {
	policy := func(p configfile.QueuePolicy) batcher.QueuePolicy {
		return batcher.QueuePolicy{MaxEntries: p.MaxQueueSize, Timeout: p.Timeout, NoOverride: !p.AllowOverride}
	}
	to := batcher.Priorities{Levels: q.Levels, Default: q.DefaultLevel, DefaultPolicy: policy(q.DefaultPolicy)}
	for _, p := range q.Policies {
		to.Policies = append(to.Policies, policy(p))
	}
	return to
}

// ownBatching reads a version's own batching parameters.
func ownBatching(file string) (batcher.Config, error) {
	b, err := configfile.ReadBatching(file)
	if err != nil {
		return batcher.Config{}, err
	}
	return batcherConfig(b), nil
}
