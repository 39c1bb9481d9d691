package telemetry

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/devices/fake"
)

// TestTriton: Triton's metrics are on the page where they are wanted, and say what a version has done.
func TestTriton(t *testing.T) {
	if page := families(t, newTelemetry(t)); page["nv_inference_count"] != nil {
		t.Error("Triton's metrics are on the page, and nobody wanted them")
	}
	tel, err := New(context.Background(), Options{Triton: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tel.Shutdown(context.Background()) })
	tel.WatchDevices(gpus())
	live(tel, "m", 3)
	obs := tel.BatchObserver("m", 3)
	obs.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonFull, Entries: 1, Rows: 5, Size: 8, Run: 3 * time.Millisecond})
	obs.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 5, Queue: time.Millisecond, Run: 3 * time.Millisecond})
	tel.Done(predict("m", 3, nil))
	for _, code := range []codes.Code{codes.Unavailable, codes.Canceled, codes.Internal, codes.InvalidArgument} {
		tel.Done(predict("m", 3, status.Error(code, "x")))
	}
	page := families(t, tel)
	listed := TritonMetrics()
	for name, f := range page {
		if !strings.HasPrefix(name, "nv_") {
			continue
		}
		i := slices.IndexFunc(listed, func(m Metric) bool { return m.Name == name })
		if i < 0 {
			t.Errorf("%s is on the page, but is not listed", name)
			continue
		}
		if got := strings.ToLower(f.GetType().String()); got != string(listed[i].Kind) {
			t.Errorf("%s is a %s, listed as %s", name, got, listed[i].Kind)
		}
	}
	for name, want := range map[string]float64{
		"nv_inference_request_success": 1, "nv_inference_count": 5, "nv_inference_exec_count": 1, "nv_inference_request_duration_us": 9000,
		"nv_inference_queue_duration_us": 1000, "nv_inference_compute_input_duration_us": 1000, "nv_inference_compute_infer_duration_us": 3000,
		"nv_inference_compute_output_duration_us": 500,
	} {
		f := page[name]
		if f == nil || f.GetMetric()[0].GetCounter().GetValue() != want {
			t.Errorf("%s: %v, want %v", name, f, want)
		}
	}
	if v, ok := value(page["nv_gpu_utilization"], "gpu_uuid", fake.GPUs(1)[0].ID); !ok || v != 0.75 {
		t.Errorf("nv_gpu_utilization: %v, %v", v, ok)
	}
	reasons := map[string]float64{}
	for _, series := range page["nv_inference_request_failure"].GetMetric() {
		for _, l := range series.GetLabel() {
			if l.GetName() == "reason" {
				reasons[l.GetValue()] = series.GetCounter().GetValue()
			}
		}
	}
	for _, reason := range failureReasons {
		if reasons[reason] != 1 {
			t.Errorf("failures: %v, want one of each reason", reasons)
		}
	}
}
