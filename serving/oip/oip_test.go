package oip_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/oip"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// model is a servable that is batched and can be told not to be ready.
type model struct {
	servingtest.Model
	batching []serving.SignatureBatching
	notReady error
}

func (m *model) Ready() error         { return m.notReady }
func (m *model) Stats() batcher.Stats { return batcher.Stats{Instances: 3} }
func (m *model) Report() *serving.Report {
	return &serving.Report{Batching: m.batching, MaxBatchSize: 64, AllowedBatchSizes: []int{8, 64}, BatchTimeout: 2 * time.Millisecond, Memory: 1000}
}

// core serves "m" in the versions 1 and 3, with the signatures serving_default and wide, and "odd", whose only signature has complex numbers.
func core() (*servingtest.Core[*model], *model) {
	def := &tensor.Signature{
		Name:    "serving_default",
		Inputs:  []tensor.Spec{{Name: "ids", DType: tensor.Int64, Shape: tensor.Shape{-1}, Default: new(tensor.Tensor)}, {Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1, 4}}},
		Outputs: []tensor.Spec{{Name: "y", DType: tensor.String, Shape: tensor.Shape{-1, -1}}},
	}
	wide := &tensor.Signature{
		Name: "wide", Inputs: []tensor.Spec{{Name: "x", DType: tensor.Float16, UnknownRank: true}},
		Outputs: []tensor.Spec{{Name: "y", DType: tensor.Bool, Shape: tensor.Shape{}}},
	}
	m := &model{
		Model: servingtest.Model{
			Signatures: map[string]*tensor.Signature{"serving_default": def, "wide": wide},
		},
		batching: []serving.SignatureBatching{{Signature: "serving_default", Batched: true}},
	}
	odd := &model{Model: servingtest.Model{Signatures: map[string]*tensor.Signature{
		"spectrum": {Name: "spectrum", Outputs: []tensor.Spec{{Name: "y", DType: tensor.Complex64, Shape: tensor.Shape{-1}}}},
	}}}
	return &servingtest.Core[*model]{
		Loaded: map[string]map[int64]*model{"m": {1: m, 3: m}, "odd": {1: odd}},
		Labels: map[string]int64{"stable": 1},
		Statuses: []serving.ModelStatus{
			{Name: "m", Platform: "tensorflow", Configured: true, Policy: serving.VersionPolicy{Latest: 2}, Versions: []serving.VersionStatus{
				{Version: 4, State: serving.Loading}, {Version: 3, State: serving.Available, Report: m.Report()},
				{Version: 2, State: serving.End, Err: servingError}, {Version: 1, State: serving.Available},
			}},
			{Name: "none", Configured: true},
			{Name: "odd", Configured: true, Versions: []serving.VersionStatus{{Version: 1, State: serving.Available}}},
			{Name: "old", Versions: []serving.VersionStatus{{Version: 7, State: serving.End}}},
		},
	}, m
}

func pinned(t *testing.T, c serving.Core, name, version string) *serving.Handle {
	t.Helper()
	spec, err := oip.ModelSpec(name, version, "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := oip.Handle(c, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Release)
	return h
}

// same compares JSON, which is what clients get.
func same(t *testing.T, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

func TestMetadata(t *testing.T) {
	c, _ := core()
	m, err := oip.Metadata(c, pinned(t, c, "m", ""))
	if err != nil {
		t.Fatal(err)
	}
	same(t, m, `{"name":"m","versions":["1","3"],"platform":"tensorflow_savedmodel",`+
		`"inputs":[{"name":"ids","datatype":"INT64","shape":[-1]},{"name":"x","datatype":"FP32","shape":[-1,4]}],`+
		`"outputs":[{"name":"y","datatype":"BYTES","shape":[-1,-1]}],"properties":{"signatures":"serving_default,wide"}}`)
}

func TestConfiguration(t *testing.T) {
	c, m := core()
	h := pinned(t, c, "m", "3")
	config, err := oip.Configuration(c, h)
	if err != nil {
		t.Fatal(err)
	}
	same(t, config, `{"name":"m","platform":"tensorflow_savedmodel","backend":"tensorflow","version_policy":{"latest":{"num_versions":2}},"max_batch_size":64,`+
		`"input":[{"name":"ids","data_type":"TYPE_INT64","dims":[],"optional":true},{"name":"x","data_type":"TYPE_FP32","dims":[4]}],`+
		`"output":[{"name":"y","data_type":"TYPE_STRING","dims":[-1]}],"instance_group":[{"name":"m_0","kind":"KIND_CPU","count":3}],`+
		`"default_model_filename":"saved_model.pb","dynamic_batching":{"preferred_batch_size":[8,64],"max_queue_delay_microseconds":2000},`+
		`"parameters":{"signatures":{"string_value":"serving_default,wide"}},"model_transaction_policy":{"decoupled":false}}`)
	m.batching[0].Batched = false
	if config, err = oip.Configuration(c, h); err != nil || config.MaxBatchSize != 0 || config.DynamicBatching != nil || !slices.Equal(config.Input[1].Dims, []int64{-1, 4}) {
		t.Errorf("a model that is not batched: %+v, %v", config, err)
	}
}

func TestReady(t *testing.T) {
	c, m := core()
	for _, version := range []string{"", "1", "3", "stable"} {
		if err := oip.ModelReady(c, "m", version); err != nil {
			t.Errorf("version %q: %v", version, err)
		}
	}
	if err := oip.ModelReady(c, "odd", ""); err == nil {
		t.Error("a model whose signature the protocol cannot carry is ready")
	}
	m.notReady = servingError
	if err := oip.ModelReady(c, "m", ""); err != servingError {
		t.Errorf("a model that cannot answer: %v", err)
	}
}

func TestUnknownVersions(t *testing.T) {
	c, _ := core()
	for _, tt := range []struct {
		model, version string
		code           codes.Code
		text           string
	}{
		{"x", "", codes.NotFound, "Request for unknown model: 'x' is not found"},
		{"x", "1", codes.NotFound, "Request for unknown model: 'x' is not found"},
		{"m", "9", codes.NotFound, "Request for unknown model: 'm' version 9 is not found"},
		{"m", "4", codes.Unavailable, "Request for unknown model: 'm' version 4 is not at ready state"},
		{"m", "canary", codes.NotFound, "Request for unknown model: 'm' version canary is not found"},
		{"none", "", codes.NotFound, "Request for unknown model: 'none' has no available versions"},
	} {
		servingtest.WantStatus(t, oip.ModelReady(c, tt.model, tt.version), tt.code, tt.text)
	}
	if n := c.Pinned(); n != 0 {
		t.Errorf("%d versions are still pinned", n)
	}
}

func TestIndex(t *testing.T) {
	c, _ := core()
	same(t, oip.Index(c, nil, false), `[{"name":"m","version":"1","state":"READY"},{"name":"m","version":"2","state":"UNAVAILABLE","reason":"no such op"},`+
		`{"name":"m","version":"3","state":"READY"},{"name":"m","version":"4","state":"LOADING"},{"name":"none"},`+
		`{"name":"odd","version":"1","state":"READY"},{"name":"old","version":"7","state":"UNAVAILABLE","reason":"unloaded"}]`)
	if ready := oip.Index(c, nil, true); len(ready) != 3 {
		t.Errorf("ready: %v", ready)
	}
}

func TestStatistics(t *testing.T) {
	c, _ := core()
	counted := func(model string, version int64) serving.Statistics {
		if model != "m" || version != 3 {
			return serving.Statistics{}
		}
		return serving.Statistics{
			Last: time.UnixMilli(1234), Rows: 9, Batches: 2, Answered: serving.Tally{Count: 3, Time: 30}, Failed: serving.Tally{Count: 1, Time: 5},
			Decode: serving.Tally{Count: 3, Time: 1}, Queue: serving.Tally{Count: 3, Time: 2}, Run: serving.Tally{Count: 3, Time: 20}, Encode: serving.Tally{Count: 3, Time: 3},
			Sizes: []serving.SizeStatistics{{Rows: 4, Run: serving.Tally{Count: 2, Time: 15}}},
		}
	}
	one, err := oip.Statistics(c, counted, "m", "3")
	if err != nil {
		t.Fatal(err)
	}
	same(t, one, `[{"name":"m","version":"3","last_inference":1234,"inference_count":9,"execution_count":2,"inference_stats":{`+
		`"success":{"count":3,"ns":30},"fail":{"count":1,"ns":5},"queue":{"count":3,"ns":2},"compute_input":{"count":3,"ns":1},`+
		`"compute_infer":{"count":3,"ns":20},"compute_output":{"count":3,"ns":3},"cache_hit":{"count":0,"ns":0},"cache_miss":{"count":0,"ns":0}},`+
		`"response_stats":{},"batch_stats":[{"batch_size":4,"compute_input":{"count":2,"ns":0},"compute_infer":{"count":2,"ns":15},"compute_output":{"count":2,"ns":0}}],`+
		`"memory_usage":[{"type":"CPU","id":0,"byte_size":1000}]}]`)
	for model, want := range map[string]int{"": 3, "m": 2, "odd": 1} {
		if all, err := oip.Statistics(c, counted, model, ""); err != nil || len(all) != want {
			t.Errorf("%q: %d versions, %v", model, len(all), err)
		}
	}
	_, err = oip.Statistics(c, counted, "x", "")
	servingtest.WantStatus(t, err, codes.NotFound, "Request for unknown model: 'x' is not found")
}
