package telemetry

import (
	"time"

	"shoal/batcher"
	"shoal/devices"
	"shoal/serving"
)

var (
	deviceLabels = []string{"device", "id"}
	useLabels    = []string{"model", "version", "device"}
)

// The metrics of devices. A value that a device does not report is left out.
var (
	deviceInService = Metric{"shoal.device.in_service", Gauge, "", with(deviceLabels, "name"),
		"1 while the device is given work, 0 while it is out of service: failed or lost."}
	deviceLosses = Metric{"shoal.device.losses", Counter, "{loss}", deviceLabels,
		"Times that the device was taken out of service."}
	deviceXids = Metric{"shoal.device.xids", Counter, "{error}", deviceLabels,
		"Errors (Xid) that the NVIDIA driver has told of."}
	deviceBatches = Metric{"shoal.device.batches", Counter, "{batch}", []string{"device"},
		"Batches that were run on the device."}
	deviceBusy = Metric{"shoal.device.busy", Counter, "s", []string{"device"},
		"Time of these runs; of a device with several instances, the sum over them."}
	deviceUtilization = Metric{"shoal.device.utilization", Gauge, "1", deviceLabels,
		"Share of the last moments in which the device worked, for whomever: 0 to 1."}
	deviceMemoryUsed = Metric{"shoal.device.memory.used", Gauge, "By", deviceLabels,
		"Memory of the device in use, by all processes."}
	deviceMemory = Metric{"shoal.device.memory", Gauge, "By", deviceLabels,
		"Memory of the device."}
	devicePower = Metric{"shoal.device.power", Gauge, "W", deviceLabels,
		"Power that the device draws."}
	devicePowerLimit = Metric{"shoal.device.power.limit", Gauge, "W", deviceLabels,
		"Power that it may draw."}
	deviceTemperature = Metric{"shoal.device.temperature", Gauge, "Cel", deviceLabels,
		"Temperature of the device."}
	deviceClock = Metric{"shoal.device.clock", Gauge, "Hz", with(deviceLabels, "clock"),
		"Clock of its processors (sm) and of its memory."}
	deviceThrottled = Metric{"shoal.device.throttled", Gauge, "", with(deviceLabels, "reason"),
		"1 where the clocks are lower than they could be for that reason, in nvidia-smi's words; others are left out."}
	deviceECC = Metric{"shoal.device.ecc.errors", Counter, "{error}", with(deviceLabels, "kind"),
		"Memory errors since the driver was loaded, corrected and uncorrected."}

	deviceInstances = Metric{"shoal.device.instances", Gauge, "{instance}", useLabels,
		"Instances of a version on a device that are in service."}
	deviceOps = Metric{"shoal.device.ops", Gauge, "{op}", with(useLabels, "place"),
		"Ops of a run that were found after loading: here, on the device; elsewhere, those that it has no kernel for."}
)

// DeviceMetrics lists the metrics of devices.
func DeviceMetrics() []Metric {
	return []Metric{
		deviceInService, deviceLosses, deviceXids, deviceBatches, deviceBusy, deviceInstances, deviceOps,
		deviceUtilization, deviceMemoryUsed, deviceMemory, devicePower, devicePowerLimit, deviceTemperature, deviceClock,
		deviceThrottled, deviceECC,
	}
}

// deviceSeries holds the counts of one device.
type deviceSeries struct {
	since   time.Time
	batches counter
	busy    counter // nanoseconds
}

func newDeviceSeries() *deviceSeries { return &deviceSeries{since: time.Now()} }

// WatchDevices makes the gauges read the devices' states from r at each reading.
func (t *Telemetry) WatchDevices(r devices.Reader) { t.readings.Store(&r) }

// ranOn counts a batch for its device.
func (t *Telemetry) ranOn(b *batcher.BatchInfo) {
	if device := deviceOf(b.Executor); device != "" {
		s := t.devices.get(device, newDeviceSeries)
		s.batches.add(1)
		s.busy.add(int(b.Run))
	}
}

// deviceSamples reads the latest snapshot. It asks no device.
func (t *Telemetry) deviceSamples(e *emitter) {
	for device, s := range t.devices.all() {
		e.counted(&deviceBatches, s.since, &s.batches, device)
		e.number(&deviceBusy, s.since, time.Duration(s.busy.load()).Seconds(), device)
	}
	r := t.readings.Load()
	if r == nil {
		return
	}
	for _, s := range (*r).Snapshot().Devices {
		d, now := s.Device, &s.Reading
		labels := []string{d.String(), d.ID}
		more := func(last string) []string { return append(labels[:2:2], last) }
		known := func(m *Metric, v devices.Value, scale float64, labels ...string) {
			if n, ok := v.Get(); ok {
				e.number(m, t.since, n*scale, labels...)
			}
		}
		e.number(&deviceInService, t.since, oneIf(s.State == devices.InService), more(d.Name)...)
		e.number(&deviceLosses, t.since, float64(s.Losses), labels...)
		if d.MemoryBytes > 0 {
			e.number(&deviceMemory, t.since, float64(d.MemoryBytes), labels...)
		}
		known(&deviceUtilization, now.Utilization, 1, labels...)
		known(&deviceMemoryUsed, now.MemoryUsed, 1, labels...)
		if d.Kind != devices.GPU {
			continue
		}
		e.number(&deviceXids, t.since, float64(s.Xids), labels...)
		known(&devicePower, now.Power, 1, labels...)
		known(&devicePowerLimit, now.PowerLimit, 1, labels...)
		known(&deviceTemperature, now.Temperature, 1, labels...)
		known(&deviceClock, now.SMClock, 1e6, more("sm")...)
		known(&deviceClock, now.MemoryClock, 1e6, more("memory")...)
		known(&deviceECC, now.ECCCorrected, 1, more("corrected")...)
		known(&deviceECC, now.ECCUncorrected, 1, more("uncorrected")...)
		for _, reason := range now.Throttle.Reasons() {
			e.number(&deviceThrottled, t.since, 1, more(reason)...)
		}
	}
}

// useSamples emits on which devices a version is.
func (t *Telemetry) useSamples(e *emitter, h *serving.Handle, model, version string) {
	for _, u := range h.Devices() {
		in := u.Instances
		if !u.InService {
			in = 0
		}
		e.number(&deviceInstances, t.since, float64(in), model, version, u.Device)
		if u.Ops+len(u.Elsewhere) == 0 {
			continue
		}
		elsewhere := 0
		for _, n := range u.Elsewhere {
			elsewhere += n
		}
		e.number(&deviceOps, t.since, float64(u.Ops), model, version, u.Device, "here")
		e.number(&deviceOps, t.since, float64(elsewhere), model, version, u.Device, "elsewhere")
	}
}
