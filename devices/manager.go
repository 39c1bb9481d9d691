package devices

import (
	"slices"
	"time"
)

// Manager is where GPUs come from: NVML, nothing at all (Null), or a test's fake.
//
// A Manager is not safe for concurrent use. Whoever opened it closes it; a running Watcher is the only user of its manager.
type Manager interface {
	// Open makes the manager ready. *AbsentError says that there are no GPUs to manage.
	Open() error
	// Driver describes the driver.
	Driver() Driver
	// GPUs lists every GPU that the driver shows, in the order of PCI addresses, and after a divided GPU its MIG instances in
	// NVML's order. Visibility (CUDA_VISIBLE_DEVICES) is not its matter. A GPU that cannot be described is Unusable.
	GPUs() ([]*Device, error)
	// Read takes a reading of a device. The error is ErrLost where the GPU is gone; fields that it does not offer stay unknown.
	Read(id string) (Reading, error)
	// Wait returns the next event, or false when none came within timeout. ErrUnsupported says that
	// there will never be one.
	Wait(timeout time.Duration) (Event, bool, error)
	// Reopen looks at the machine anew, which is how a GPU that was lost and reset is seen again.
	Reopen() error
	Close() error
}

// Driver is what the driver says of itself; empty fields are unknown.
type Driver struct {
	Version string `json:"version,omitempty"`
	NVML    string `json:"nvml,omitempty"`
	CUDA    string `json:"cuda,omitempty"` // the newest CUDA that the driver runs, "12.4"
}

// EventKind is what happened to a GPU.
type EventKind string

// The events that a Manager tells of.
const (
	EventXid            EventKind = "xid"             // the driver reports an error; Event.Xid is its number
	EventECCUncorrected EventKind = "ecc_uncorrected" // memory is damaged: results are not to be trusted
	EventUnavailable    EventKind = "unavailable"     // the driver has given the GPU up, or asks for a reset
)

// Event is something that happened to a GPU.
type Event struct {
	ID          string // UUID of the GPU, of MIG instances that of their parent; empty: the driver cannot tell, so any
	Kind        EventKind
	Xid         uint64
	GPUInstance int // the MIG GPU instance it befell; -1: the whole GPU
}

// applicationXids are faults of a program, not of the GPU that ran it: graphics engine exception, illegal access, reset
// channel, stopped processing, pre-emptive clean-up, contained memory error, SM exception. Whichever program it was, its own
// runs fail; if that is this process the failed runs tell. (NVIDIA, "XID Errors"; its Kubernetes plugin ignores the same.)
var applicationXids = []uint64{13, 31, 43, 45, 68, 94, 109}

// critical tells whether the device should be taken out of service.
func (e Event) critical() bool {
	return e.Kind != EventXid || !slices.Contains(applicationXids, e.Xid)
}

// concerns tells whether the event befell the device.
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

// Null manages no GPUs, for Reason.
type Null struct{ Reason string }

// Open returns an *AbsentError.
func (n Null) Open() error { return &AbsentError{n.Reason} }

// Driver is empty.
func (Null) Driver() Driver { return Driver{} }

// GPUs lists none.
func (Null) GPUs() ([]*Device, error) { return nil, nil }

// Read finds no device.
func (Null) Read(string) (Reading, error) { return Reading{}, ErrLost }

// Wait never sees an event.
func (Null) Wait(time.Duration) (Event, bool, error) { return Event{}, false, ErrUnsupported }

// Reopen finds nothing new.
func (n Null) Reopen() error { return &AbsentError{n.Reason} }

// Close does nothing.
func (Null) Close() error { return nil }
