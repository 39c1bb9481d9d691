// Package configfile reads the configuration files that the flags name, in tensorflow_model_server's formats, and lists all their
// faults. It returns its own types, which cmd/shoal translates to those of other packages.
package configfile

import (
	"crypto/tls"
	"fmt"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"

	"shoal/configs"
	"shoal/internal/files"
)

// Files is the content of the configuration files, after all checks.
type Files struct {
	Models   Models
	Batching *Batching // nil: there is no file, and Shoal's own defaults apply
	Queues   *Queues   // nil: there is no file
	Session  *pb.ConfigProto
	Metrics  Metrics
	SSL      *config_go_proto.SSLConfig // nil: gRPC is not encrypted
}

// Load validates s and reads every file that it names, except those of keys and of instance groups. The settings of a platform
// file replace the flags of s over which it takes precedence. The error has every fault of flags and files. It is configs.Faults,
// in which the line of a broken text proto begins with "Error parsing text-format"; what could be read is returned with it. Call
// Load once. ReadModels or ParseModels read a changed models file.
func Load(s *configs.Server) (*Files, error) {
	var faults configs.Faults
	faults.Take(s.Validate())
	checkNamed(s, &faults)
	files := &Files{}
	if s.Models.ConfigFile != "" || s.Models.BasePath != "" && s.Models.Name != "" {
		models, err := ReadModels(s)
		faults.Take(err)
		files.Models = models
		for _, note := range models.Notes {
			s.Note(note)
		}
	}
	if path := s.Batching.QueuesFile; path != "" {
		queues, err := ReadQueues(path)
		faults.Take(Blame("queue_policies_file", path, err))
		files.Queues = queues
	}
	if s.TensorFlow.PlatformConfigFile != "" {
		loadPlatform(s, files, &faults)
	} else {
		loadSession(s, files, &faults)
	}
	if path := s.Monitoring.ConfigFile; path != "" {
		metrics, err := ReadMetrics(path)
		faults.Take(Blame("monitoring_config_file", path, err))
		files.Metrics = metrics
		if metrics.Enabled && s.RESTListen() == "" && s.AdminListen() == "" {
			s.Note("--monitoring_config_file has no effect: metrics are served on the REST port or on --admin_port, and there is neither")
		}
	}
	if path := s.GRPC.SSLConfigFile; path != "" {
		ssl, err := ReadSSL(path)
		faults.Take(Blame("ssl_config_file", path, err))
		files.SSL = ssl
	}
	return files, faults.Err()
}

// checkNamed checks files that a flag names and that are read later.
func checkNamed(s *configs.Server, faults *configs.Faults) {
	if s.REST.TLSCertFile != "" && s.REST.TLSKeyFile != "" {
		if _, err := RESTCertificate(s); err != nil {
			faults.Addf("--rest_tls_cert_file, --rest_tls_key_file: %v", err)
		}
	}
	for _, library := range s.TensorFlow.CustomOps {
		if err := files.Regular(library); err != nil {
			faults.Addf("--custom_op_libraries: %v", err)
		}
	}
}

// RESTCertificate returns the certificate in --rest_tls_cert_file, with its key.
func RESTCertificate(s *configs.Server) (tls.Certificate, error) {
	cert, err := files.Read(s.REST.TLSCertFile, files.MaxConfig)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := files.Read(s.REST.TLSKeyFile, files.MaxConfig)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// loadSession reads the files that apply if there is no platform file.
func loadSession(s *configs.Server, files *Files, faults *configs.Faults) {
	if path := s.Batching.ParametersFile; path != "" {
		batching, err := ReadBatching(path)
		faults.Take(Blame("batching_parameters_file", path, err))
		files.Batching = batching
		if batching != nil && batching.Given("max_execution_batch_size") && !batching.Split {
			s.Note(path + ": max_execution_batch_size has no effect without enable_large_batch_splitting")
		}
	}
	base := &pb.ConfigProto{}
	if path := s.TensorFlow.SessionConfigFile; path != "" {
		faults.Take(Blame("tensorflow_session_config_file", path, readText(path, base, strictText)))
	}
	files.Session = session(&s.TensorFlow, base)
}

// loadPlatform reads the platform file and notes the flags that have no effect beside it.
func loadPlatform(s *configs.Server, files *Files, faults *configs.Faults) {
	path := s.TensorFlow.PlatformConfigFile
	config, err := readPlatform(path)
	if err != nil {
		faults.Take(Blame("platform_config_file", path, err))
		return
	}
	var found configs.Faults
	takePlatform(s, config, files, &found)
	faults.Take(Blame("platform_config_file", path, found.Err()))
	for f := range configs.Flags() {
		if beaten[f.Name] && s.IsSet(f.Name) {
			s.Note(fmt.Sprintf("--%s has no effect: --platform_config_file beats it", f.Name))
		}
	}
}

// beaten are the flags over which a platform file takes precedence.
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
