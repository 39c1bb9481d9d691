package serving

import "fmt"

// Spec names the version a request asks for: the newest (both nil/empty), a number, or a label.
type Spec struct {
	Model   string
	Version *int64
	Label   string
}

// String is the form that TensorFlow Serving's messages use: Latest(m) or Specific(m, 3).
func (s Spec) String() string {
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
	Versions   []VersionStatus
	Labels     map[string]int64 // all of the configuration, those too whose version is not there
}

// Policy says which of the versions found should be served.
type Policy struct {
	Latest   int     // the newest n; used when All is false and Specific is empty; 0 means 1
	All      bool    // every version
	Specific []int64 // just these
}

// String is the policy as people write it: latest 2, all, specific [1 3].
func (p Policy) String() string {
	switch {
	case p.All:
		return "all"
	case len(p.Specific) > 0:
		return fmt.Sprintf("specific %v", p.Specific)
	}
	return fmt.Sprintf("latest %d", max(p.Latest, 1))
}

// ModelConfig is one model as configured.
type ModelConfig struct {
	Name     string
	BasePath string
	Platform string // "tensorflow"
	Policy   Policy
	Labels   map[string]int64
}

// Core is what the APIs need of the manager; *manager.Manager is one.
type Core interface {
	// Handle resolves a spec and pins the version: NOT_FOUND "Servable not found for request: Latest(m)",
	// INVALID_ARGUMENT "Unrecognized servable version label: l". Release it soon.
	Handle(spec Spec) (*Handle, error)
	// Status lists a model's versions, newest first; version nil: all. NOT_FOUND "Could not find any versions of model m" or
	// "Could not find version 7 of model m".
	Status(model string, version *int64) ([]VersionStatus, error)
	// Models lists every model, by name.
	Models() []ModelStatus
	// Ready says whether every configured model has an available version, and else why not, a reason a model.
	Ready() (bool, []string)
}
