package configs

import (
	"iter"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Flag describes one flag. The table of them is the only list: registration, --help, the environment variables, the
// documentation and the log's effective configuration all come from it.
type Flag struct {
	Name  string
	Group string
	Help  string
	Noted string // why it has no effect; "": it has one
	Own   bool   // Shoal's own: tensorflow_model_server does not know it

	bind func(*Server) value
}

//go:generate go test -run "TestHelpGolden|TestDocs" -update .

// The groups, in the order of --help.
const (
	groupModels     = "Models"
	groupREST       = "REST"
	groupGRPC       = "gRPC"
	groupAccess     = "Access"
	groupBatching   = "Batching"
	groupDevices    = "Devices"
	groupEngines    = "Engines"
	groupTensorFlow = "TensorFlow"
	groupLifecycle  = "Life cycle"
	groupMonitoring = "Monitoring and log"
	groupNoted      = "Accepted without effect"
)

// Flags yields all flags of `shoal serve`, group after group.
func Flags() iter.Seq[Flag] {
	return func(yield func(Flag) bool) {
		for _, group := range [][]Flag{
			modelFlags, restFlags, grpcFlags, accessFlags, batchingFlags, deviceFlags, engineFlags, tensorflowFlags, lifecycleFlags, monitoringFlags, notedFlags,
		} {
			for _, f := range group {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// names yields the flags' names.
func names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range Flags() {
			if !yield(f.Name) {
				return
			}
		}
	}
}

// Default returns the flag's default, in the form of a flag's value.
func (f Flag) Default() string { return f.bind(Default()).String() }

// Kind returns what the flag takes: FILE, N, TIME, …, or "bool".
func (f Flag) Kind() string { return f.bind(&Server{}).kind }

// Variable returns the name of the environment variable that sets the flag.
func (f Flag) Variable() string { return "SHOAL_" + strings.ToUpper(f.Name) }

// Value returns the flag's value in s.
func (f Flag) Value(s *Server) string { return f.bind(s).String() }

// Register adds every flag to fs, bound to s: parsing fs writes s.
func (s *Server) Register(fs *pflag.FlagSet) {
	for f := range Flags() {
		v := f.bind(s)
		flag := fs.VarPF(v, f.Name, "", f.Help)
		flag.DefValue = f.Default()
		if v.IsBoolFlag() {
			flag.NoOptDefVal = "true"
		}
		flag.Hidden = f.Noted != ""
	}
}

// groups returns the names of the groups in their order.
func groups() []string {
	var all []string
	for f := range Flags() {
		if !slices.Contains(all, f.Group) {
			all = append(all, f.Group)
		}
	}
	return all
}
