package configs

import "time"

// modelFlags say what is served.
var modelFlags = []Flag{
	{Name: "model_name", Group: groupModels,
		Help: "name of the one model at --model_base_path",
		bind: func(s *Server) value { return text(&s.Models.Name, "NAME") }},
	{Name: "model_base_path", Group: groupModels,
		Help: "directory of the one model: a sub-directory a version, named by its number",
		bind: func(s *Server) value { return text(&s.Models.BasePath, "DIR") }},
	{Name: "model_config_file", Group: groupModels,
		Help: "several models, version policies and labels: text proto ModelServerConfig; beats --model_name and --model_base_path",
		bind: func(s *Server) value { return text(&s.Models.ConfigFile, "FILE") }},
	{Name: "model_config_file_poll_wait_seconds", Group: groupModels,
		Help: "seconds between looks for changes in --model_config_file; 0: read it once",
		bind: func(s *Server) value { return in(&s.Models.ConfigPoll, time.Second) }},
	{Name: "allow_version_labels_for_unavailable_models", Group: groupModels,
		Help: "a label may name a version that is not available yet, for a model that is not served yet",
		bind: func(s *Server) value { return boolean(&s.Models.LabelsForUnavailable) }},
	{Name: "saved_model_tags", Group: groupModels,
		Help: "tags of the meta graph to load",
		bind: func(s *Server) value { return list(&s.TensorFlow.Tags, "TAG,…") }},
}

// restFlags are the HTTP side. TensorFlow Serving has REST off unless it is given a port; here it is on.
var restFlags = []Flag{
	{Name: "rest_api_port", Group: groupREST,
		Help: "port of the REST API; 0: none",
		bind: func(s *Server) value { return number(&s.REST.Port) }},
	{Name: "rest_address", Group: groupREST, Own: true,
		Help: "address or host name the REST API listens on; empty: all interfaces",
		bind: func(s *Server) value { return text(&s.REST.Address, "HOST") }},
	{Name: "rest_api_num_threads", Group: groupREST,
		Help: "requests decoded at once; 0: chosen for the machine",
		bind: func(s *Server) value { return number(&s.REST.Threads) }},
	{Name: "rest_api_timeout_in_ms", Group: groupREST,
		Help: "milliseconds a request may take, waiting included; 0: no limit",
		bind: func(s *Server) value { return in(&s.REST.Timeout, time.Millisecond) }},
	{Name: "rest_api_enable_cors_support", Group: groupREST,
		Help: "let pages of any origin call the API (CORS headers)",
		bind: func(s *Server) value { return boolean(&s.REST.CORS) }},
	{Name: "rest_tls_cert_file", Group: groupREST, Own: true,
		Help: "certificate (PEM file) for REST over TLS; with --rest_tls_key_file",
		bind: func(s *Server) value { return text(&s.REST.TLSCertFile, "FILE") }},
	{Name: "rest_tls_key_file", Group: groupREST, Own: true,
		Help: "private key (PEM file) for REST over TLS",
		bind: func(s *Server) value { return text(&s.REST.TLSKeyFile, "FILE") }},
	{Name: "max_request_bytes", Group: groupREST, Own: true,
		Help: "largest request body, as sent and after inflating; gRPC messages too",
		bind: func(s *Server) value { return size(&s.REST.MaxRequestBytes) }},
}

// grpcFlags are the gRPC side. The two numbers of threads default to four a CPU in TensorFlow Serving, where a thread
// waits for each request; here waiting costs none, so that 0 leaves the choice to the server.
var grpcFlags = []Flag{
	{Name: "port", Group: groupGRPC,
		Help: "TCP port of the gRPC API; 0: none",
		bind: func(s *Server) value { return number(&s.GRPC.Port) }},
	{Name: "grpc_address", Group: groupGRPC, Own: true,
		Help: "address or host name the gRPC API listens on; empty: all interfaces",
		bind: func(s *Server) value { return text(&s.GRPC.Address, "HOST") }},
	{Name: "grpc_socket_path", Group: groupGRPC,
		Help: "UNIX socket to listen on besides",
		bind: func(s *Server) value { return text(&s.GRPC.SocketPath, "PATH") }},
	{Name: "grpc_max_threads", Group: groupGRPC,
		Help: "requests at once on one connection; 0: chosen",
		bind: func(s *Server) value { return number(&s.GRPC.MaxThreads) }},
	{Name: "grpc_channel_arguments", Group: groupGRPC,
		Help: "limits of connections, e.g. grpc.max_connection_age_ms=2000",
		bind: func(s *Server) value { return text(&s.GRPC.ChannelArguments, "NAME=N,…") }},
	{Name: "ssl_config_file", Group: groupGRPC,
		Help: "TLS: text proto SSLConfig, with the PEM contents of key and certificate",
		bind: func(s *Server) value { return text(&s.GRPC.SSLConfigFile, "FILE") }},
	{Name: "enable_grpc_healthcheck_service", Group: groupGRPC,
		Help: "the service grpc.health.v1, which is always there",
		bind: func(s *Server) value { return boolean(&s.GRPC.HealthService) }},
	{Name: "enable_serialization_as_tensor_content", Group: groupGRPC,
		Help: "Predict answers in tensor_content instead of the typed fields",
		bind: func(s *Server) value { return boolean(&s.GRPC.SerializeAsTensorContent) }},
}

// batchingFlags are those of batching, which is off by default in TensorFlow Serving and on here.
var batchingFlags = []Flag{
	{Name: "enable_batching", Group: groupBatching,
		Help: "gather requests into batches; false: run each alone",
		bind: func(s *Server) value { return boolean(&s.Batching.Enabled) }},
	{Name: "batching_parameters_file", Group: groupBatching,
		Help: "limits of batches and queues: text proto BatchingParameters; none: chosen",
		bind: func(s *Server) value { return text(&s.Batching.ParametersFile, "FILE") }},
	{Name: "enable_per_model_batching_parameters", Group: groupBatching,
		Help: "read batching_params.pbtxt from each version's directory; a version without one is not batched",
		bind: func(s *Server) value { return boolean(&s.Batching.PerModel) }},
	{Name: "max_batch_size", Group: groupBatching, Own: true,
		Help: "instances run at once, where no file of parameters says; larger requests are split; 0: measured for each model when it is loaded",
		bind: func(s *Server) value { return number(&s.Batching.MaxBatchSize) }},
	{Name: "max_queued_rows", Group: groupBatching, Own: true,
		Help: "instances that may wait for a model version, where no file of parameters says; beyond it requests are refused with 503",
		bind: func(s *Server) value { return number(&s.Batching.MaxQueuedRows) }},
	{Name: "instances", Group: groupBatching, Own: true,
		Help: "copies of each model that run at once; 0: chosen, one a core",
		bind: func(s *Server) value { return number(&s.Batching.Instances) }},
}
