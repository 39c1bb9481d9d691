package devices

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Reading is the state of a device at one moment. Not every device has every value: a MIG instance has no temperature of its own,
// and the clock of a CPU is not read.
type Reading struct {
	Utilization       Value    `json:"utilization,omitzero"`        // 0 to 1: the part of the last sampling period in which something ran
	MemoryUtilization Value    `json:"memory_utilization,omitzero"` // 0 to 1: the part in which memory was read or written
	MemoryUsed        Value    `json:"memory_used_bytes,omitzero"`  // by all processes
	MemoryFree        Value    `json:"memory_free_bytes,omitzero"`
	Power             Value    `json:"power_watts,omitzero"`
	PowerLimit        Value    `json:"power_limit_watts,omitzero"`
	Energy            Value    `json:"energy_joules,omitzero"` // since the driver was loaded
	Temperature       Value    `json:"temperature_celsius,omitzero"`
	SMClock           Value    `json:"sm_clock_megahertz,omitzero"`
	MemoryClock       Value    `json:"memory_clock_megahertz,omitzero"`
	Throttle          Throttle `json:"throttle_reasons,omitzero"`
	PCIeGeneration    Value    `json:"pcie_generation,omitzero"` // the current one; an idle link is slower
	PCIeWidth         Value    `json:"pcie_width,omitzero"`
	ECCUncorrected    Value    `json:"ecc_uncorrected_errors,omitzero"` // since the driver was loaded
	ECCCorrected      Value    `json:"ecc_corrected_errors,omitzero"`
}

// Value is a number that may be unknown. The zero value is unknown.
type Value struct {
	number float64
	known  bool
}

// Known returns a known value.
func Known[T ~int | ~int64 | ~uint32 | ~uint64 | ~float64](n T) Value { return Value{float64(n), true} }

// Get returns the number, and whether it is known.
func (v Value) Get() (float64, bool) { return v.number, v.known }

// Or returns the number, or other if it is unknown.
func (v Value) Or(other float64) float64 {
	if v.known {
		return v.number
	}
	return other
}

// MarshalJSON writes the number, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.known {
		return []byte("null"), nil
	}
	return json.Marshal(v.number)
}

// Throttle is the set of reasons why a GPU's clocks are lower than they could be; the bits are NVML's.
type Throttle uint64

// reasons name the bits, from the lowest, as nvidia-smi does. The first two are no problem: the GPU is idle, or an administrator
// has set the clocks.
var reasons = []string{
	"gpu_idle", "applications_clocks_setting", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal_slowdown",
	"hw_thermal_slowdown", "hw_power_brake_slowdown", "display_clock_setting", "board_limit", "reliability",
}

// Slowed reports whether the GPU is slower than it should be, because of heat, power or its protection.
func (t Throttle) Slowed() bool { return t&^0b11 != 0 }

// Reasons lists the reasons that apply.
func (t Throttle) Reasons() []string {
	var names []string
	for i, name := range reasons {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (t Throttle) String() string { return strings.Join(t.Reasons(), ",") }

// MarshalJSON writes the list of reasons.
func (t Throttle) MarshalJSON() ([]byte, error) { return json.Marshal(t.Reasons()) }

// Bytes formats an amount of memory: 79.2 GiB.
func Bytes(n uint64) string {
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

var units = []string{"B", "KiB", "MiB", "GiB", "TiB"}
