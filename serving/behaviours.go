package serving

import (
	"shoal/batcher"
	"shoal/tensor"
)

// A servable may have behaviours that are not part of Servable. This file declares all of them, and only the functions below
// look for them. None of these methods blocks.

// Refuser is a servable that can tell before a request is decoded that it would be refused, whatever it holds.
type Refuser interface {
	// Refuses is nil, or the error that Run would return. sig is nil if it is not known yet.
	Refuses(sig *tensor.Signature) error
}

// Readier is a servable that may be unable to answer anything for a while though it is available: its devices may be out of
// service.
type Readier interface {
	// Ready says why nothing can be answered, and takes no lock; nil: requests are answered.
	Ready() error
}

// Warner is a servable that can tell what is wrong with it though it can answer.
type Warner interface {
	// Warning is for people; "": nothing is wrong.
	Warning() string
}

// Reporter is a servable that can tell what its load made of it.
type Reporter interface {
	// Report makes a new report.
	Report() *Report
}

// Queuer is a servable that has a batcher.
type Queuer interface {
	// Stats is what the batcher is doing now.
	Stats() batcher.Stats
}

// Placed is a servable that runs on devices which the server watches.
type Placed interface {
	// Devices are those that the servable has instances on.
	Devices() []DeviceUse
}

// DeviceUse is how a servable uses a device.
type DeviceUse struct {
	Device    string // "gpu:0", as users name it
	ID        string // of the device itself: the UUID of a GPU
	GPU       bool
	Index     int // of the name
	Instances int
	InService bool
	PinnedTo  string // the engine's name for the device, "/device:GPU:0"; "": the engine sees no other, and nothing is pinned

	// Where the ops of a run were found after loading. Both are empty if nobody looked.
	Ops       int            // on the device
	Elsewhere map[string]int // ops that ran on another device, by name
}

// Refuses is nil if the servable is no Refuser.
func (h *Handle) Refuses(sig *tensor.Signature) error {
	if r, ok := h.Servable.(Refuser); ok {
		return r.Refuses(sig)
	}
	return nil
}

// Stats reports false if the servable is no Queuer.
func (h *Handle) Stats() (s batcher.Stats, ok bool) {
	q, ok := h.Servable.(Queuer)
	if ok {
		s = q.Stats()
	}
	return s, ok
}

// Devices is empty if the servable is not Placed.
func (h *Handle) Devices() []DeviceUse {
	if p, ok := h.Servable.(Placed); ok {
		return p.Devices()
	}
	return nil
}

// ReadyOf is nil if the servable is no Readier.
func ReadyOf(s Servable) error {
	if r, ok := s.(Readier); ok {
		return r.Ready()
	}
	return nil
}

// WarningOf is "" if the servable is no Warner.
func WarningOf(s Servable) string {
	if w, ok := s.(Warner); ok {
		return w.Warning()
	}
	return ""
}

// ReportOf is nil if the servable is no Reporter.
func ReportOf(s Servable) *Report {
	if r, ok := s.(Reporter); ok {
		return r.Report()
	}
	return nil
}
