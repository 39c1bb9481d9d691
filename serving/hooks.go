package serving

import "time"

// Hooks are told what happens; each may be nil. They are called with the manager's lock held: be quick, and call
// nothing of the manager.
type Hooks struct {
	// StateChanged is called for each step of a version; err is the reason where a load failed.
	StateChanged func(model string, version int64, from, to State, err error)
	// LoadFinished is called after each attempt to load.
	LoadFinished func(model string, version int64, attempt int, took time.Duration, err error)
	// ConfigApplied is called after each change of the configuration.
	ConfigApplied func(models int)
}
