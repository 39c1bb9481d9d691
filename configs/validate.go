package configs

import (
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
)

// minInflightBytes is a limit below which nothing would work.
const minInflightBytes = 1 << 20

// Validate lists every fault of the values themselves, each with its flag and what would be right. It opens
// no file. The error is Faults.
func (s *Server) Validate() error {
	var faults Faults
	s.validateModels(&faults)
	s.validateListeners(&faults)
	s.validateAccess(&faults)
	s.validateBatching(&faults)
	s.validateDevices(&faults)
	s.validateEngines(&faults)
	s.validateTensorFlow(&faults)
	s.validateLifecycle(&faults)
	s.validateMonitoring(&faults)
	return faults.Err()
}

func (s *Server) validateEngines(faults *Faults) {
	if !slices.Contains(EngineWords, s.Engines.Use) {
		faults.Addf("--engine: %q is none of %s", s.Engines.Use, strings.Join(EngineWords, ", "))
	}
	if s.IsSet("engine_tolerance") && s.Engines.Tolerance == 0 {
		faults.Addf("--engine_tolerance: must be more than 0: engines round differently")
	}
}

// validateModels requires something to serve. It does not check that the directory exists: it may be mounted later, and the
// server waits for it.
func (s *Server) validateModels(faults *Faults) {
	m := &s.Models
	switch {
	case m.BasePath == "" && m.ConfigFile == "" && len(m.Repositories) == 0:
		faults.Addf("no model to serve: give --model_base_path (one model), --model_config_file (several) or --model_repository (all of a directory)")
	case m.Name == "" && m.ConfigFile == "":
		faults.Addf("--model_name: must not be empty")
	}
	if m.Control != "poll" && m.Control != "explicit" {
		faults.Addf("--model_control_mode: %q is neither poll nor explicit", m.Control)
	}
	if m.ConfigPoll < 0 {
		faults.Addf("--model_config_file_poll_wait_seconds: must be 0 (read once) or more")
	}
	if len(s.TensorFlow.Tags) == 0 {
		faults.Addf("--saved_model_tags: names no tag: use serve")
	}
}

// validateListeners checks the addresses and limits of the APIs. One API is enough.
func (s *Server) validateListeners(faults *Faults) {
	port := func(flag string, p int) {
		if p < 0 || p > math.MaxUint16 {
			faults.Addf("--%s: %d is no port: use 0 (none) to 65535", flag, p)
		}
	}
	port("port", s.GRPC.Port)
	port("rest_api_port", s.REST.Port)
	if s.GRPC.Port == 0 && s.GRPC.SocketPath == "" && s.REST.Port == 0 {
		faults.Addf("nothing to listen on: give --port, --grpc_socket_path or --rest_api_port")
	}
	host := func(flag, address string) {
		address = strings.Trim(address, "[]")
		if strings.ContainsAny(address, ":/ ") && net.ParseIP(address) == nil {
			faults.Addf("--%s: %q must be an address or a host name alone; the port has a flag of its own", flag, address)
		}
	}
	host("rest_address", s.REST.Address)
	host("grpc_address", s.GRPC.Address)
	host("admin_address", s.Access.AdminAddress)

	atLeast(faults, "rest_api_num_threads", s.REST.Threads, 0)
	atLeast(faults, "grpc_max_threads", s.GRPC.MaxThreads, 0)
	if s.REST.Timeout < 0 {
		faults.Addf("--rest_api_timeout_in_ms: must be 0 (no limit) or more")
	}
	if s.REST.MaxRequestBytes < 1 || s.REST.MaxRequestBytes > math.MaxInt32 {
		faults.Addf("--max_request_bytes: %d must be 1 to %d (2 GiB)", s.REST.MaxRequestBytes, math.MaxInt32)
	}
	if n := s.REST.MaxInflightBytes; n > 0 && n < minInflightBytes {
		faults.Addf("--max_inflight_bytes: %d must be 0 (chosen) or at least %d (1 MiB)", n, minInflightBytes)
	}
	if cert, key := s.REST.TLSCertFile, s.REST.TLSKeyFile; (cert == "") != (key == "") {
		faults.Addf("--rest_tls_cert_file, --rest_tls_key_file: give both or neither")
	}
	if s.Noted.UseALTS && s.GRPC.SSLConfigFile != "" {
		faults.Addf("--use_alts_credentials, --ssl_config_file: give one of them")
	}
}

// validateBatching accepts a parameters file without --enable_batching, because batching is on by default, but not one together
// with --enable_batching=false.
func (s *Server) validateBatching(faults *Faults) {
	if s.Batching.Enabled == Off && s.Batching.ParametersFile != "" {
		faults.Addf("--batching_parameters_file: has no meaning with --enable_batching=false: leave one of them out")
	}
	atLeast(faults, "max_batch_size", s.Batching.MaxBatchSize, 0)
	atLeast(faults, "max_queued_rows", s.Batching.MaxQueuedRows, 1)
	atLeast(faults, "instances", s.Batching.Instances, 0)
	if d := s.Batching.Objective; d < 0 {
		faults.Addf("--latency_objective: %v must be 0 (none) or more", d)
	}
	if d := s.Batching.StuckAfter; d < 0 {
		faults.Addf("--stuck_run_timeout: %v must be 0 (never) or more", d)
	}
}

// validateTensorFlow rejects the three numbers of threads together, as tensorflow_model_server does, because they contradict each
// other.
func (s *Server) validateTensorFlow(faults *Faults) {
	t := &s.TensorFlow
	if !slices.Contains([]string{"auto", "always", "never"}, t.Freeze) {
		faults.Addf("--freeze_variables: %q is none of auto, always, never", t.Freeze)
	}
	if !t.Prune && t.Freeze == "always" {
		faults.Addf("--freeze_variables=always: has no meaning with --prune_graphs=false, which leaves graphs as they are")
	}
	if t.IntraOp > 0 && t.InterOp > 0 && t.SessionParallelism > 0 {
		faults.Addf("--tensorflow_session_parallelism: give it, or --tensorflow_intra_op_parallelism and --tensorflow_inter_op_parallelism, not all three")
	}
	atLeast(faults, "tensorflow_session_parallelism", t.SessionParallelism, 0)
	atLeast(faults, "tensorflow_intra_op_parallelism", t.IntraOp, 0)
	atLeast(faults, "tensorflow_inter_op_parallelism", t.InterOp, 0)
	if f := t.GPUMemoryFraction; !(f >= 0 && f <= 1) {
		faults.Addf("--per_process_gpu_memory_fraction: %v must be 0 (chosen) to 1", f)
	}
}

// validateLifecycle accepts negative waits if they have a meaning.
func (s *Server) validateLifecycle(faults *Faults) {
	l := &s.Lifecycle
	atLeast(faults, "num_load_threads", l.LoadThreads, 0)
	atLeast(faults, "num_unload_threads", l.UnloadThreads, 0)
	atLeast(faults, "max_num_load_retries", l.MaxLoadRetries, 0)
	if l.DrainTimeout < 0 {
		faults.Addf("--drain_timeout: %v must be 0 (do not wait) or more", l.DrainTimeout)
	}
	if l.ShutdownDelay < 0 {
		faults.Addf("--shutdown_delay: %v must be 0 (none) or more", l.ShutdownDelay)
	}
	if l.FileTimeout <= 0 {
		faults.Addf("--file_timeout: %v must be more than 0", l.FileTimeout)
	}
}

// atLeast adds a fault for a number below its least value.
func atLeast(faults *Faults, flag string, n, least int) {
	if n < least {
		faults.Addf("--%s: %d must be %d or more", flag, n, least)
	}
}

func (s *Server) validateMonitoring(faults *Faults) {
	m := &s.Monitoring
	if f := strings.ToLower(m.LogFormat); f != "text" && f != "json" {
		faults.Addf("--log_format: %q is no format: use text or json", m.LogFormat)
	}
	if m.LogBuffer < 4096 || m.LogBuffer > math.MaxInt32 {
		faults.Addf("--log_buffer_bytes: %d must be 4096 to %d", m.LogBuffer, math.MaxInt32)
	}
	if !(m.AccessLogRatio >= 0 && m.AccessLogRatio <= 1) {
		faults.Addf("--access_log_ratio: %v must be 0 (no request) to 1 (all of them)", m.AccessLogRatio)
	}
	if m.SlowBatchBudget < 0 {
		faults.Addf("--slow_batch_budget: %v must be 0 (no traces) or more", m.SlowBatchBudget)
	}
	atLeast(faults, "slow_batch_files", m.SlowBatchFiles, 1)
	if m.DebugAddress == "" {
		return
	}
	host, digits, err := net.SplitHostPort(m.DebugAddress)
	if n, bad := strconv.ParseUint(digits, 10, 16); err != nil || bad != nil || n == 0 {
		faults.Addf("--debug_address: %q is no address with a port, such as 127.0.0.1:6060", m.DebugAddress)
	} else if host != "localhost" && !net.ParseIP(host).IsLoopback() {
		faults.Addf("--debug_address: %q is not a loopback address: profiles are for people on this machine: use 127.0.0.1:%s", m.DebugAddress, digits)
	}
}
