package devices

import (
	"time"

	"google.golang.org/grpc/codes"
)

// State says whether a device may be given work.
type State string

// The states of a device.
const (
	InService State = "in_service"
	Failed    State = "failed" // it answers, but runs have failed: it is tried again after a pause
	Lost      State = "lost"   // it does not answer
)

// Status is a device's state and latest reading.
type Status struct {
	Device  *Device   `json:"device"`
	State   State     `json:"state"`
	Cause   string    `json:"cause,omitempty"` // of a device out of service
	Since   time.Time `json:"since,omitzero"`  // of the last change
	RetryAt time.Time `json:"retry_at,omitzero"`
	Losses  int       `json:"losses"`            // how many times it went out of service
	Xids    int       `json:"xids"`              // errors that the driver has reported
	LastXid uint64    `json:"last_xid,omitzero"` // number of the last
	Reading Reading   `json:"reading,omitzero"`

	inRow int // losses in a row; each makes the pause before the next try longer
}

// Change is a change of a device's state.
type Change struct {
	Device   *Device
	From, To State
	Cause    string
}

// lose takes a device out of service. A device that has failed can also become lost.
func (s *Status) lose(to State, cause string, now time.Time, o *WatchOptions) (Change, bool) {
	if s.State == to || s.State == Lost {
		return Change{}, false
	}
	c := Change{s.Device, s.State, to, cause}
	if s.State == InService {
		if s.Losses > 0 && now.Sub(s.Since) >= o.MaxRetry {
			s.inRow = 0
		}
		s.Losses++
		s.inRow++
	}
	s.State, s.Cause, s.Since, s.Reading = to, cause, now, Reading{}
	s.postpone(now, o)
	return c, true
}

// postpone sets the time of the next try: the pause doubles with every loss in a row.
func (s *Status) postpone(now time.Time, o *WatchOptions) {
	pause := o.MaxRetry
	if doubled := o.Retry << min(max(s.inRow-1, 0), 16); doubled < pause {
		pause = doubled
	}
	s.RetryAt = now.Add(pause)
}

// restore puts a device back into service.
func (s *Status) restore(now time.Time) Change {
	c := Change{s.Device, s.State, InService, s.Cause}
	s.State, s.Cause, s.Since, s.RetryAt = InService, "", now, time.Time{}
	return c
}

// due reports whether a device should be read: always while in service, and after its pause while out of service.
func (s *Status) due(now time.Time) bool { return s.State == InService || !now.Before(s.RetryAt) }

// Snapshot is the devices' states and readings at one moment. It does not change.
type Snapshot struct {
	Taken   time.Time `json:"taken"` // of the readings; zero: none was taken yet. It grows old if the driver hangs.
	Devices []Status  `json:"devices"`
}

// Find returns a device's status by its ID, or nil if the device is not watched.
func (s *Snapshot) Find(id string) *Status {
	for i := range s.Devices {
		if s.Devices[i].Device.ID == id {
			return &s.Devices[i]
		}
	}
	return nil
}

// Admit returns nil if a device can take a model that needs that many bytes of its memory. The errors are FAILED_PRECONDITION:
// the device can never be used so; UNAVAILABLE: it cannot be used now; RESOURCE_EXHAUSTED: it has too little free memory.
//
// Free memory is what no process holds. TensorFlow keeps memory that it once took, so a model may also fit into that. A caller
// who knows how much it is subtracts it from need.
func (s *Snapshot) Admit(d *Device, need uint64) error {
	if d.Unusable != "" {
		return errorf(codes.FailedPrecondition, "%v (%s) cannot be used: %s", d, d.Name, d.Unusable)
	}
	st := s.Find(d.ID)
	if st != nil && st.State != InService {
		return errorf(codes.Unavailable, "%v (%s) is out of service: %s; it is tried again at %s", d, d.Name, st.Cause, st.RetryAt.Format(time.TimeOnly))
	}
	if d.MemoryBytes > 0 && need > d.MemoryBytes {
		return errorf(codes.ResourceExhausted, "%v (%s) has %s of memory, and the model needs %s: place it on a larger device, or split the load over fewer models",
			d, d.Name, Bytes(d.MemoryBytes), Bytes(need))
	}
	if st == nil {
		return nil
	}
	if free, known := st.Reading.MemoryFree.Get(); known && float64(need) > free {
		return errorf(codes.ResourceExhausted, "%v (%s) has %s of %s free, and the model needs %s: unload another model, lower its count, or place it elsewhere",
			d, d.Name, Bytes(uint64(free)), Bytes(d.MemoryBytes), Bytes(need))
	}
	return nil
}
