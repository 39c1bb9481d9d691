package configs

import (
	"fmt"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"

	"shoal/devices"
	"shoal/serving/access"
)

// Files is what the configuration files say, read and checked.
type Files struct {
	Models   Models
	Batching *Batching // nil: there is no file, and Shoal's own defaults hold
	Session  *pb.ConfigProto
	Metrics  Metrics
	Groups   *devices.Groups            // nil: nothing is said of instances
	SSL      *config_go_proto.SSLConfig // nil: gRPC is not encrypted
	Keys     *access.Keys               // nil: no key is needed
}

// Load validates s and reads every file that it names. A platform file's settings replace those flags of s that it
// beats. The error has every fault of flags and files: Faults, in which a broken text proto's line begins with
// "Error parsing text-format". Call it once; ReadModels or ParseModels read a changed models file.
func (s *Server) Load() (*Files, error) {
	var faults Faults
	faults.take(s.Validate())
	files := &Files{}
	if s.Models.ConfigFile != "" || s.Models.BasePath != "" && s.Models.Name != "" {
		models, err := s.ReadModels()
		faults.take(err)
		files.Models = models
		s.notes = append(s.notes, models.Notes...)
	}
	if s.TensorFlow.PlatformConfigFile != "" {
		s.loadPlatform(files, &faults)
	} else {
		s.loadSession(files, &faults)
	}
	files.Groups = s.loadGroups(&faults)
	if path := s.Monitoring.ConfigFile; path != "" {
		metrics, err := ReadMetrics(path)
		faults.take(blame("monitoring_config_file", path, err))
		files.Metrics = metrics
		if metrics.Enabled && s.RESTListen() == "" && s.AdminListen() == "" {
			s.note("--monitoring_config_file has no effect: metrics are served on the REST port or on --admin_port, and there is neither")
		}
	}
	if path := s.GRPC.SSLConfigFile; path != "" {
		ssl, err := ReadSSL(path)
		faults.take(blame("ssl_config_file", path, err))
		files.SSL = ssl
	}
	files.Keys = s.loadKeys(&faults)
	return files, faults.err()
}

// loadSession reads the files that a platform file would replace.
func (s *Server) loadSession(files *Files, faults *Faults) {
	if path := s.Batching.ParametersFile; path != "" {
		batching, err := ReadBatching(path)
		faults.take(blame("batching_parameters_file", path, err))
		files.Batching = batching
		if batching != nil && batching.Given("max_execution_batch_size") && !batching.Split {
			s.note(path + ": max_execution_batch_size has no effect without enable_large_batch_splitting")
		}
	}
	base := &pb.ConfigProto{}
	if path := s.TensorFlow.SessionConfigFile; path != "" {
		faults.take(blame("tensorflow_session_config_file", path, readText(path, base, strictText)))
	}
	files.Session = s.TensorFlow.session(base)
}

// loadPlatform reads the platform file and notes the flags that were set in vain.
func (s *Server) loadPlatform(files *Files, faults *Faults) {
	path := s.TensorFlow.PlatformConfigFile
	config, err := readPlatform(path)
	if err != nil {
		faults.take(blame("platform_config_file", path, err))
		return
	}
	var found Faults
	s.takePlatform(config, files, &found)
	faults.take(blame("platform_config_file", path, found.err()))
	for f := range Flags() {
		if beaten[f.Name] && s.IsSet(f.Name) {
			s.note(fmt.Sprintf("--%s has no effect: --platform_config_file beats it", f.Name))
		}
	}
}

// beaten are the flags that a platform file replaces.
var beaten = map[string]bool{
	"batching_parameters_file":             true,
	"enable_per_model_batching_parameters": true,
	"tensorflow_session_config_file":       true,
	"tensorflow_session_parallelism":       true,
	"tensorflow_intra_op_parallelism":      true,
	"tensorflow_inter_op_parallelism":      true,
	"per_process_gpu_memory_fraction":      true,
	"mixed_precision":                      true,
	"saved_model_tags":                     true,
	"enable_model_warmup":                  true,
	"num_request_iterations_for_warmup":    true,
}
