// Package configs reads a server's flags and environment variables. Parse returns a Server, the struct with the whole
// configuration. configs/configfile reads the files that it names. Errors list every fault, not only the first.
//
// It imports no other package of the project, so that small programs such as the health check can read a server's flags.
package configs

import (
	"log/slog"
	"time"
)

// Server is the effective configuration of `shoal serve`, with one field per group of flags. Default makes one; a zero Server is
// not usable. It must not be changed concurrently.
type Server struct {
	Models     ModelOptions
	REST       RESTOptions
	GRPC       GRPCOptions
	Access     AccessOptions
	Batching   BatchingOptions
	Devices    DeviceOptions
	Engines    EngineOptions
	TensorFlow TensorFlowOptions
	Lifecycle  LifecycleOptions
	Monitoring MonitoringOptions
	Noted      NotedOptions

	ShowVersion bool // --version: print the versions and end

	origin map[string]origin // flags that were set, by whom
	notes  []string          // lines for the start of the log, beside those of the noted flags
}

// origin says who set a flag.
type origin string

const (
	fromEnvironment origin = "environment"
	fromFlag        origin = "flag"
)

// ModelOptions says which models are served.
type ModelOptions struct {
	Name                 string        // of the one model, where there is no ConfigFile
	BasePath             string        // of the one model
	ConfigFile           string        // text proto ModelServerConfig; beats Name and BasePath
	ConfigPoll           time.Duration // how often ConfigFile is read again; 0: once
	LabelsForUnavailable bool          // a label may name a version that is not available yet
	Repositories         []string      // directories of models
	Control              string        // of the repositories' models: poll or explicit
	CacheDir             string        // of models that are not in directories here; "": the user's cache directory
	CacheBytes           int64         // that it may hold; 0: any number
}

// RESTOptions are the settings of HTTP.
type RESTOptions struct {
	Port             int // 0: no REST
	Address          string
	Threads          int // requests decoded at once; 0: chosen
	Timeout          time.Duration
	CORS             bool
	MaxRequestBytes  int64 // of one body, as sent and inflated; where it was set, gRPC messages too
	MaxInflightBytes int64 // that all requests hold, by gRPC too; 0: chosen
	MinTransferRate  int64 // bytes per second; gRPC too; 0: any
	TLSCertFile      string
	TLSKeyFile       string
}

// GRPCOptions are the settings of gRPC.
type GRPCOptions struct {
	Port                     int // 0: no TCP port
	Address                  string
	SocketPath               string // a UNIX socket besides
	MaxThreads               int    // requests at once on a connection; 0: chosen
	ChannelArguments         string // name=value,…: the gRPC API reads it
	SSLConfigFile            string
	HealthService            bool
	SerializeAsTensorContent bool
}

// BatchingOptions says how requests are batched. A parameters file takes precedence.
type BatchingOptions struct {
	Enabled        Switch             // Auto: signatures whose rows are proven to be independent
	ParametersFile string             // text proto BatchingParameters
	PerModel       bool               // batching_params.pbtxt in each version's directory
	MaxBatchSize   int                // without a file; 0: measured
	MaxQueuedRows  int                // without a file; of one version
	MaxQueuedBytes int64              // of all models together; 0: MaxInflightBytes bounds them
	Objective      time.Duration      // of a request's time in the batcher; 0: none
	Instances      int                // copies of a model that run at once; 0: chosen
	Weights        map[string]float64 // of models, for shares of the processors; 1 where there is none
	QueuesFile     string             // text proto of models' priority levels and queue policies
	StuckAfter     time.Duration      // how long a run may take before its instance is out of service; 0: however long
}

// EngineOptions says which engine runs a model's signatures. Instance groups take precedence.
type EngineOptions struct {
	Use         string  // tensorflow, openvino or auto
	Tolerance   float64 // how far float32 outputs of two engines may differ
	MinGain     float64 // the part by which OpenVINO has to be faster
	OpenVINODir string  // of the libraries; "": beside the program, or where make deps puts them
}

// TensorFlowOptions are settings of the sessions.
type TensorFlowOptions struct {
	SessionParallelism int // both pools; 0: chosen
	IntraOp            int
	InterOp            int
	SessionConfigFile  string // text proto ConfigProto
	PlatformConfigFile string // text proto PlatformConfigMap
	GPUMemoryFraction  float64
	Tags               []string // of the meta graph to load
	CheckMethodNames   bool
	XLACPU             bool
	XLAGPU             bool
	MixedPrecision     string
	Prune              bool     // drop what no signature needs
	Freeze             string   // auto, always or never
	ScratchDir         string   // of rewritten graphs; "": the system's temporary directory
	CustomOps          []string // libraries loaded before the first model
	OpSearchPath       []string // directories of Python packages with ops; "auto": those of this machine; "none": no directory
}

// LifecycleOptions says how versions are loaded and unloaded, and how the server ends.
type LifecycleOptions struct {
	LoadThreads       int
	UnloadThreads     int
	MaxLoadRetries    int
	LoadRetryInterval time.Duration // negative: no wait
	VersionPoll       time.Duration // 0: scan once; negative: never
	Warmup            bool          // replay the model's recorded requests
	WarmupIterations  int
	SyntheticWarmup   bool // synthetic requests if the model has no recorded ones
	ListenEarly       bool // before the models have settled
	DrainTimeout      time.Duration
	FileTimeout       time.Duration // the longest time without progress of a file
	ShutdownDelay     time.Duration // from not ready to no new connections
}

// MonitoringOptions is metrics and the log.
type MonitoringOptions struct {
	ConfigFile   string // text proto MonitoringConfig
	StatusPage   bool
	DebugAddress string // loopback; "": no profiles
	LogFormat    string // text or json
	LogLevel     slog.Level
	LogBuffer    int64 // bytes of lines that are not read yet

	Triton          bool          // Triton's metrics on /metrics
	AccessLogRatio  float64       // of requests with a line in the log, 0 to 1
	SlowBatchBudget time.Duration // 0: no traces of slow batches
	SlowBatchDir    string        // "": in the system's temporary directory
	SlowBatchFiles  int
}

// NotedOptions are accepted and have no effect; Notes says why.
type NotedOptions struct {
	FlushFilesystemCaches       bool
	UseALTS                     bool
	RemoveUnusedFields          bool
	PreferTFLite                bool
	TFLitePools                 int
	TFLiteInterpretersPerPool   int
	Profiler                    bool
	ThreadPoolFactoryConfigFile string
	SkipInitializeTPU           bool
}

// Default returns the configuration without any flags. Some defaults are constants of the packages that they configure, too; a
// test in cmd/shoal compares them.
func Default() *Server {
	return &Server{
		Models: ModelOptions{Name: "default", Control: "poll", CacheBytes: 64 << 30},
		REST: RESTOptions{
			Port:            8501,
			Timeout:         30 * time.Second,
			MaxRequestBytes: 100 << 20,
			MinTransferRate: 16 << 10,
		},
		GRPC:     GRPCOptions{Port: 8500},
		Access:   AccessOptions{AdminAddress: "127.0.0.1", Reload: true},
		Batching: BatchingOptions{Enabled: Auto, MaxQueuedRows: 16384, StuckAfter: time.Minute},
		Devices:  DeviceOptions{Use: "auto", CPUScheduling: "batch"},
		Engines:  EngineOptions{Use: "tensorflow", Tolerance: 1e-4, MinGain: 0.1},
		TensorFlow: TensorFlowOptions{Tags: []string{"serve"}, Prune: true, Freeze: "auto",
			OpSearchPath: []string{"auto"}},
		Lifecycle: LifecycleOptions{
			MaxLoadRetries:    5,
			LoadRetryInterval: time.Minute,
			VersionPoll:       time.Second,
			Warmup:            true,
			SyntheticWarmup:   true,
			DrainTimeout:      30 * time.Second,
			FileTimeout:       30 * time.Second,
		},
		Monitoring: MonitoringOptions{StatusPage: true, LogFormat: "text", LogBuffer: 1 << 20, SlowBatchFiles: 10},
		Noted: NotedOptions{
			FlushFilesystemCaches:     true,
			RemoveUnusedFields:        true,
			TFLiteInterpretersPerPool: 1,
			Profiler:                  true,
		},
		origin: map[string]origin{},
	}
}

// IsSet reports whether the flag was set, on the command line or in the environment.
func (s *Server) IsSet(flag string) bool { return s.origin[flag] != "" }

// Note adds a line for the start of the log.
func (s *Server) Note(line string) { s.notes = append(s.notes, line) }
