package devices

import (
	"slices"
	"time"
)

// Manager gives access to GPUs. NVML is the real one, Null has no GPUs, and tests have a fake.
//
// A Manager is not safe for concurrent use. Who opens it closes it. A running Watcher is the only user of its manager.
type Manager interface {
	// Open makes the manager ready. It returns *AbsentError if there are no GPUs to manage.
	Open() error
	// Driver describes the driver.
	Driver() Driver
	// GPUs lists every GPU that the driver shows, in the order of PCI addresses. The MIG instances of a GPU follow it, in NVML's
	// order. GPUs ignores CUDA_VISIBLE_DEVICES. A GPU that cannot be described is Unusable.
	GPUs() ([]*Device, error)
	// Read takes a reading of a device. It returns ErrLost if the GPU is gone. Values that the GPU does not offer stay unknown.
	Read(id string) (Reading, error)
	// Wait returns the next event, or false if none came within timeout. It returns ErrUnsupported if there will never be one.
	Wait(timeout time.Duration) (Event, bool, error)
	// Reopen finds the machine's GPUs again. A GPU that was lost and reset is seen only afterwards.
	Reopen() error
	Close() error
}

// Driver describes the driver; empty fields are unknown.
type Driver struct {
	Version string `json:"version,omitempty"`
	NVML    string `json:"nvml,omitempty"`
	CUDA    string `json:"cuda,omitempty"` // the newest CUDA that the driver runs, "12.4"
}

// EventKind is what happened to a GPU.
type EventKind string

// The events that a Manager reports.
const (
	EventXid            EventKind = "xid"             // the driver reports an error; Event.Xid is its number
	EventECCUncorrected EventKind = "ecc_uncorrected" // memory is damaged: results cannot be trusted
	EventUnavailable    EventKind = "unavailable"     // the driver no longer uses the GPU, or asks for a reset
)

// Event is an event of a GPU.
type Event struct {
	ID          string // UUID of the GPU, for MIG instances of their parent; empty: not known, it may be any
	Kind        EventKind
	Xid         uint64
	GPUInstance int // the MIG GPU instance concerned; -1: the whole GPU
}

// applicationXids are faults of a program, not of the GPU that ran it: graphics engine exception, illegal access, reset channel,
// stopped processing, pre-emptive clean-up, contained memory error, SM exception. Only runs of that program fail. If it is this
// process, the failed runs show it. (NVIDIA, "XID Errors"; its Kubernetes plugin ignores the same numbers.)
var applicationXids = []uint64{13, 31, 43, 45, 68, 94, 109}

// critical reports whether the device should be taken out of service.
func (e Event) critical() bool {
	return e.Kind != EventXid || !slices.Contains(applicationXids, e.Xid)
}

// concerns reports whether the event is one of the device.
func (e Event) concerns(d *Device) bool {
	switch {
	case d.GPU == nil:
		return false
	case e.ID == "" || e.ID == d.ID:
		return true
	case d.GPU.MIG == nil || d.GPU.MIG.Parent != e.ID:
		return false
	}
	return e.GPUInstance < 0 || e.GPUInstance == d.GPU.MIG.GPUInstance
}

// Null is a manager without GPUs. Reason says why there are none.
type Null struct{ Reason string }

// Open returns an *AbsentError.
func (n Null) Open() error { return &AbsentError{n.Reason} }

// Driver returns an empty description.
func (Null) Driver() Driver { return Driver{} }

// GPUs lists none.
func (Null) GPUs() ([]*Device, error) { return nil, nil }

// Read returns an error.
func (Null) Read(string) (Reading, error) { return Reading{}, ErrLost }

// Wait returns no event.
func (Null) Wait(time.Duration) (Event, bool, error) { return Event{}, false, ErrUnsupported }

// Reopen does nothing.
func (n Null) Reopen() error { return &AbsentError{n.Reason} }

// Close does nothing.
func (Null) Close() error { return nil }
