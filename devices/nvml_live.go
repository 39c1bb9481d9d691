package devices

import (
	"errors"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Read asks NVML for a reading. NVML knows the memory of a MIG instance; its clocks, power and temperature are those of its whole
// GPU.
func (m *NVML) Read(id string) (Reading, error) {
	h, found := m.handles[id]
	if !found {
		return Reading{}, fmt.Errorf("%s is not there: %w", id, ErrLost)
	}
	var r Reading
	var q query
	if memory, ret := h.GetMemoryInfo(); q.ok("memory", ret) {
		r.MemoryUsed, r.MemoryFree = Known(memory.Used), Known(memory.Free)
	}
	if q.lost == nil && h.Device == h.whole {
		q.activity(h.whole, &r)
	}
	if q.lost == nil {
		q.body(h.whole, &r)
	}
	if q.lost == nil {
		r.Throttle = m.throttle(h.whole, &q)
	}
	return r, q.lost
}

// query notes if the GPU is lost. After any other error the value stays unknown.
type query struct{ lost error }

func (q *query) ok(what string, ret nvml.Return) bool {
	if err := nvmlError(what, ret); errors.Is(err, ErrLost) {
		q.lost = err
	}
	return ret == nvml.SUCCESS
}

// activity reads what only a whole GPU reports.
func (q *query) activity(h nvml.Device, r *Reading) {
	if u, ret := h.GetUtilizationRates(); q.ok("utilisation", ret) {
		r.Utilization, r.MemoryUtilization = Known(float64(u.Gpu)/100), Known(float64(u.Memory)/100)
	}
	if n, ret := h.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC); q.ok("ECC errors", ret) {
		r.ECCUncorrected = Known(n)
	}
	if n, ret := h.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_CORRECTED, nvml.VOLATILE_ECC); q.ok("ECC errors", ret) {
		r.ECCCorrected = Known(n)
	}
}

// body reads the physical values of the GPU: power, temperature, clocks, its link.
func (q *query) body(h nvml.Device, r *Reading) {
	if mw, ret := h.GetPowerUsage(); q.ok("power", ret) {
		r.Power = Known(float64(mw) / 1000)
	}
	if mw, ret := h.GetEnforcedPowerLimit(); q.ok("power limit", ret) {
		r.PowerLimit = Known(float64(mw) / 1000)
	}
	if mj, ret := h.GetTotalEnergyConsumption(); q.ok("energy", ret) {
		r.Energy = Known(float64(mj) / 1000)
	}
	if t, ret := h.GetTemperature(nvml.TEMPERATURE_GPU); q.ok("temperature", ret) {
		r.Temperature = Known(t)
	}
	if mhz, ret := h.GetClockInfo(nvml.CLOCK_SM); q.ok("clock", ret) {
		r.SMClock = Known(mhz)
	}
	if mhz, ret := h.GetClockInfo(nvml.CLOCK_MEM); q.ok("memory clock", ret) {
		r.MemoryClock = Known(mhz)
	}
	if n, ret := h.GetCurrPcieLinkGeneration(); q.ok("PCIe generation", ret) {
		r.PCIeGeneration = Known(n)
	}
	if n, ret := h.GetCurrPcieLinkWidth(); q.ok("PCIe width", ret) {
		r.PCIeWidth = Known(n)
	}
}

// throttle uses the newer of two functions if the driver's library has it. A function that the library lacks must not be called:
// symbols are bound at first use, and a missing one ends the process.
func (m *NVML) throttle(h nvml.Device, q *query) Throttle {
	ask := h.GetCurrentClocksThrottleReasons
	if m.lib.Extensions().LookupSymbol("nvmlDeviceGetCurrentClocksEventReasons") == nil {
		ask = h.GetCurrentClocksEventReasons
	}
	if bits, ret := ask(); q.ok("throttle reasons", ret) {
		return Throttle(bits)
	}
	return 0
}

// heard are the events to wait for. Corrected memory errors are ordinary; readings count them.
const heard = nvml.EventTypeXidCriticalError | nvml.EventTypeDoubleBitEccError | nvml.EventTypeFatalPoisonError | nvml.EventTypeGpuUnavailableError

// Wait waits in the library, which cannot be interrupted. The first call registers for events.
func (m *NVML) Wait(timeout time.Duration) (Event, bool, error) {
	if err := m.listen(); err != nil {
		return Event{}, false, err
	}
	data, ret := m.events.Wait(uint32(timeout.Milliseconds()))
	if ret == nvml.ERROR_TIMEOUT {
		return Event{}, false, nil
	}
	if err := nvmlError("events", ret); err != nil {
		return Event{}, false, err
	}
	e := Event{GPUInstance: int(int32(data.GpuInstanceId))} // all ones: the whole GPU
	if data.Device != nil {
		e.ID, _ = data.Device.GetUUID()
	}
	switch data.EventType {
	case nvml.EventTypeXidCriticalError:
		e.Kind, e.Xid = EventXid, data.EventData
	case nvml.EventTypeGpuUnavailableError:
		e.Kind = EventUnavailable
	default:
		e.Kind = EventECCUncorrected
	}
	return e, true, nil
}

// listen registers every GPU for the events that it can report. Events of MIG instances come through their GPU.
func (m *NVML) listen() error {
	if m.events != nil || m.deaf {
		if m.deaf {
			return ErrUnsupported
		}
		return nil
	}
	if !m.open {
		return fmt.Errorf("the NVIDIA library is not open: %w", ErrLost)
	}
	set, ret := m.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return nvmlError("make an event set", ret)
	}
	registered := 0
	for _, h := range m.handles {
		if h.Device != h.whole {
			continue
		}
		mask, ret := h.GetSupportedEventTypes()
		if mask &= heard; ret != nvml.SUCCESS || mask == 0 {
			continue
		}
		if h.RegisterEvents(mask, set) == nvml.SUCCESS {
			registered++
		}
	}
	if registered == 0 {
		m.deaf = true
		set.Free()
		return ErrUnsupported
	}
	m.events = set
	return nil
}
