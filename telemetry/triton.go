package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"shoal/devices"
	"shoal/serving"
)

var tritonLabels = []string{"model", "version"}

// Triton's metrics that Shoal has, by Triton's names. Times are in microseconds and add up.
var (
	tritonSuccess = Metric{"nv_inference_request_success", Counter, "", tritonLabels,
		"Requests that were answered, of all APIs."}
	tritonFailure = Metric{"nv_inference_request_failure", Counter, "", with(tritonLabels, "reason"),
		"Requests that got an error: REJECTED (no place in the queue, too late, no memory), CANCELED (the client left), BACKEND (the run failed), OTHER."}
	tritonCount = Metric{"nv_inference_count", Counter, "", tritonLabels,
		"Rows of requests that were run."}
	tritonExecutions = Metric{"nv_inference_exec_count", Counter, "", tritonLabels,
		"Batches that were run."}
	tritonPending = Metric{"nv_inference_pending_request_count", Gauge, "", tritonLabels,
		"Requests that wait for a batch."}
	tritonDuration = Metric{"nv_inference_request_duration_us", Counter, "us", tritonLabels,
		"Time from the arrival of requests to their answers."}
	tritonQueue = Metric{"nv_inference_queue_duration_us", Counter, "us", tritonLabels,
		"Time that requests waited for their batches."}
	tritonInput = Metric{"nv_inference_compute_input_duration_us", Counter, "us", tritonLabels,
		"Time to decode requests into tensors."}
	tritonInfer = Metric{"nv_inference_compute_infer_duration_us", Counter, "us", tritonLabels,
		"Time of the runs that requests were in, gathering included."}
	tritonOutput = Metric{"nv_inference_compute_output_duration_us", Counter, "us", tritonLabels,
		"Time to encode answers."}

	gpuLabels            = []string{"gpu_uuid"}
	tritonGPUUtilization = Metric{"nv_gpu_utilization", Gauge, "", gpuLabels, "Share of the last moments in which the GPU worked, 0 to 1."}
	tritonGPUMemory      = Metric{"nv_gpu_memory_total_bytes", Gauge, "", gpuLabels, "Memory of the GPU."}
	tritonGPUMemoryUsed  = Metric{"nv_gpu_memory_used_bytes", Gauge, "", gpuLabels, "Memory of the GPU in use."}
	tritonGPUPower       = Metric{"nv_gpu_power_usage", Gauge, "", gpuLabels, "Power of the GPU in watts."}
	tritonGPUPowerLimit  = Metric{"nv_gpu_power_limit", Gauge, "", gpuLabels, "Most power of the GPU in watts."}
	tritonCPUUtilization = Metric{"nv_cpu_utilization", Gauge, "", nil, "Share of the last moments in which the CPU worked, 0 to 1."}
	tritonCPUMemory      = Metric{"nv_cpu_memory_total_bytes", Gauge, "", nil, "Memory of the CPU."}
	tritonCPUMemoryUsed  = Metric{"nv_cpu_memory_used_bytes", Gauge, "", nil, "Memory of the CPU in use."}
)

// TritonMetrics lists the metrics of Triton's family (--triton_metrics).
func TritonMetrics() []Metric {
	return []Metric{
		tritonSuccess, tritonFailure, tritonCount, tritonExecutions, tritonPending, tritonDuration, tritonQueue, tritonInput, tritonInfer, tritonOutput,
		tritonGPUUtilization, tritonGPUMemory, tritonGPUMemoryUsed, tritonGPUPower, tritonGPUPowerLimit,
		tritonCPUUtilization, tritonCPUMemory, tritonCPUMemoryUsed,
	}
}

// The reasons of failures.
const (
	rejectedRequest = iota
	canceledRequest
	backendFailure
	otherFailure
)

var failureReasons = [...]string{rejectedRequest: "REJECTED", canceledRequest: "CANCELED", backendFailure: "BACKEND", otherFailure: "OTHER"}

// failureReason is the reason that a code stands for.
func failureReason(c codes.Code) int {
	switch c {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
		return rejectedRequest
	case codes.Canceled:
		return canceledRequest
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.Aborted:
		return backendFailure
	}
	return otherFailure
}

// tritonCollector gives Triton's family to Prometheus, from what versionStatistics has counted.
type tritonCollector struct{ t *Telemetry }

// Describe implements prometheus.Collector. It describes nothing, so that nothing is checked before there are series.
func (tritonCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c tritonCollector) Collect(out chan<- prometheus.Metric) {
	emit := func(m *Metric, value float64, labels ...string) {
		kind := prometheus.CounterValue
		if m.Kind == Gauge {
			kind = prometheus.GaugeValue
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.Name, m.Help, m.Labels, nil), kind, value, labels...)
	}
	for k, v := range c.t.versions.all() {
		c.version(emit, k, v)
	}
	if r := c.t.readings.Load(); r != nil {
		for _, s := range (*r).Snapshot().Devices {
			emitDevice(emit, &s)
		}
	}
}

func (c tritonCollector) version(emit func(*Metric, float64, ...string), k statisticsKey, v *versionStatistics) {
	labels := []string{k.model, strconv.FormatInt(k.version, 10)}
	micros := func(t *tally) float64 { return float64(time.Duration(t.nanos.load()).Microseconds()) }
	emit(&tritonSuccess, float64(v.answered.count.load()), labels...)
	for i, reason := range failureReasons {
		emit(&tritonFailure, float64(v.failures[i].load()), append(labels[:2:2], reason)...)
	}
	emit(&tritonCount, float64(v.rows.load()), labels...)
	emit(&tritonExecutions, float64(v.batches.load()), labels...)
	emit(&tritonDuration, micros(&v.answered), labels...)
	emit(&tritonQueue, micros(&v.queue), labels...)
	emit(&tritonInput, micros(&v.decode), labels...)
	emit(&tritonInfer, micros(&v.run), labels...)
	emit(&tritonOutput, micros(&v.encode), labels...)
	core := c.t.core.Load()
	if core == nil {
		return
	}
	h, err := (*core).Handle(serving.ModelSpec{Model: k.model, Version: &k.version})
	if err != nil {
		return // it went meanwhile
	}
	defer h.Release()
	if s, ok := h.Stats(); ok {
		emit(&tritonPending, float64(s.Entries), labels...)
	}
}

func emitDevice(emit func(*Metric, float64, ...string), s *devices.Status) {
	known := func(m *Metric, v devices.Value, labels ...string) {
		if n, ok := v.Get(); ok {
			emit(m, n, labels...)
		}
	}
	d, now := s.Device, &s.Reading
	if d.Kind != devices.GPU {
		known(&tritonCPUUtilization, now.Utilization)
		known(&tritonCPUMemoryUsed, now.MemoryUsed)
		if d.MemoryBytes > 0 {
			emit(&tritonCPUMemory, float64(d.MemoryBytes))
		}
		return
	}
	known(&tritonGPUUtilization, now.Utilization, d.ID)
	known(&tritonGPUMemoryUsed, now.MemoryUsed, d.ID)
	known(&tritonGPUPower, now.Power, d.ID)
	known(&tritonGPUPowerLimit, now.PowerLimit, d.ID)
	if d.MemoryBytes > 0 {
		emit(&tritonGPUMemory, float64(d.MemoryBytes), d.ID)
	}
}
