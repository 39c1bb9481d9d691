package scheduling

import "time"

// Measured is what came out for a profile; rates are parts of its capacity.
type Measured struct {
	Profile   Profile
	Tight     bool
	Capacity  float64 // requests per second
	Objective float64 // sustained with 99% in time: by the objective,
	Idle      float64 // with batches that leave when a device is idle,
	Timeout   float64 // and with the best of three fixed timeouts
	At70      float64 // part in time at 0.7 of the capacity
	Overload  float64 // goodput at three times the capacity
}

// Profiles are one, two and eight devices, with models whose batches cost little or much beside their rows, and objectives that
// allow little or much more than the run.
func Profiles() (all []Profile) {
	const unit = 100 * time.Microsecond
	for _, devices := range []int{1, 2, 8} {
		for _, times := range []float64{2.5, 3.5, 5, 8} {
			for _, fixed := range []time.Duration{2, 8, 32} {
				all = append(all, Profile{
					Devices: devices, Fixed: fixed * unit, Row: unit, Largest: 64,
					Objective: time.Duration(times * float64((fixed+8)*unit)),
				})
			}
		}
	}
	return all
}

// tight objectives allow less than four times the run of eight rows.
func (p Profile) tight() bool { return p.Objective < 4*p.Latency(8) }
