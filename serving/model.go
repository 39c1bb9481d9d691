package serving

import "fmt"

// ModelSpec names the version a request asks for: the newest (both nil/empty), a number, or a label.
type ModelSpec struct {
	Model   string
	Version *int64
	Label   string

	// Key is what a Core that divides requests between versions goes by: equal keys get the same version. "": any version will do.
	// The manager does not look at it, and no protocol sets it yet.
	Key string
}

// String is the form that TensorFlow Serving's messages use: Latest(m) or Specific(m, 3).
func (s ModelSpec) String() string {
	if s.Version != nil {
		return fmt.Sprintf("Specific(%s, %d)", s.Model, *s.Version)
	}
	return fmt.Sprintf("Latest(%s)", s.Model)
}

// State is where a version is in its life.
type State int

// The states, with the numbers of ModelVersionStatus.State.
const (
	Unknown   State = 0
	Start     State = 10
	Loading   State = 20
	Available State = 30
	Unloading State = 40
	End       State = 50
)

// String is the name on the wire: START, LOADING, ….
func (s State) String() string {
	switch s {
	case Start:
		return "START"
	case Loading:
		return "LOADING"
	case Available:
		return "AVAILABLE"
	case Unloading:
		return "UNLOADING"
	case End:
		return "END"
	}
	return "UNKNOWN"
}

// VersionStatus is what is known of one version. Err is the reason where a load failed (a gRPC status error), else nil.
type VersionStatus struct {
	Version int64
	State   State
	Err     error
	Labels  []string // labels that point at it now
	Report  *Report  // what its load made of it; nil where that is not known, and while it is not available
}

// ModelStatus is one configured (or once configured) model, its versions newest first.
type ModelStatus struct {
	Name     string
	BasePath string
	Platform string
	// Configured is false for a model that was taken out of the configuration; its versions end.
	Configured bool
	Policy     VersionPolicy
	Versions   []VersionStatus
	Labels     map[string]int64 // all of the configuration, those too whose version is not there
}

// ModelConfig is one model as configured.
type ModelConfig struct {
	Name     string
	BasePath string
	Platform string // "tensorflow"
	Policy   VersionPolicy
	Labels   map[string]int64
}
