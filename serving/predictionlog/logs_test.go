package predictionlog

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/serving/inference"
	"shoal/tensor"
	tensorproto "shoal/tensor/proto"
)

type configs = map[string]*config_go_proto.LoggingConfig

func config(prefix string, rate float64) *config_go_proto.LoggingConfig {
	return &config_go_proto.LoggingConfig{
		LogCollectorConfig: &config_go_proto.LogCollectorConfig{FilenamePrefix: prefix},
		SamplingConfig:     &config_go_proto.SamplingConfig{SamplingRate: rate},
	}
}

// openLogs is closed by close, or at the end of the test.
func openLogs(t *testing.T, o Options, c configs) *Logs {
	t.Helper()
	logs := NewLogs(o)
	if err := logs.Set(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { logs.Close() })
	return logs
}

func closeLogs(t *testing.T, logs *Logs) {
	t.Helper()
	if err := logs.Close(); err != nil {
		t.Error(err)
	}
}

// predict logs a request as a handler does.
func predict(logs *Logs, model string, values ...float32) {
	if log := logs.For(model); log.Sampled() {
		x := floats(values...)
		log.Write(Predict(new(fake).handle(), asked(""), signatures["serving_default"], []tensor.Tensor{x}, []tensor.Tensor{x}, nil))
	}
}

// values are the inputs x of logged requests.
func values(logged []*apis_go_proto.PredictionLog) (all []string) {
	for _, l := range logged {
		d := tensorproto.Decoder{Arena: tensor.NewArena(), Left: 1 << 20}
		x, err := d.Message(l.GetPredictLog().GetRequest().GetInputs()["x"])
		if err != nil {
			return append(all, err.Error())
		}
		all = append(all, strings.TrimPrefix(show(x), "float[1] "))
	}
	return all
}

// TestLogWarmsUp logs each kind of request as the handlers do, and warms a version with the file.
func TestLogWarmsUp(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "made/if/missing", "requests")
	logs := openLogs(t, Options{Tags: []string{"serve", "gpu"}}, configs{"m": config(prefix, 1)})
	servable := new(fake)
	h := servable.handle()
	ctx := t.Context()

	sig := signatures["text"]
	inputs := []tensor.Tensor{integer(5), {DType: tensor.String, Shape: tensor.Shape{1, 2}, Strings: [][]byte{[]byte("a"), []byte("\xff")}}}
	arena := tensor.NewArena()
	answer, err := h.Run(ctx, batcher.Entry{Signature: sig, Inputs: inputs, Arena: arena})
	if err != nil {
		t.Fatal(err)
	}
	logs.For("m").Write(Predict(h, asked("text"), sig, inputs, answer.Outputs, []int{1}))
	inputs[0].Data[0] = 99 // the memory is the handler's again
	arena.Free()

	examples := [][]byte{[]byte("\x0a\x00"), {}} // empty features, and none
	for _, req := range []inference.Request{
		{Method: inference.Classify, Signature: "classify"}, {Method: inference.Regress, Signature: "regress"},
		{Method: inference.MultiInference, Signature: "regress",
			Tasks: []*apis_go_proto.InferenceTask{{ModelSpec: asked("regress"), MethodName: inference.RegressMethod}}},
	} {
		req.Examples = examples
		result, err := req.Run(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		logs.For("m").Write(Inference(h, asked(req.Signature), req, result))
	}
	closeLogs(t, logs)

	paths, _ := filepath.Glob(prefix + "-*.tfrecord")
	if len(paths) != 1 {
		t.Fatalf("files: %q", paths)
	}
	file, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	var warmed fake
	n, err := WarmUp(ctx, warmUpDir(t, file), &warmed, WarmUpOptions{})
	if err != nil || n != 4 {
		t.Fatalf("%d records, %v", n, err)
	}
	if !slices.Equal(warmed.runs, servable.runs) {
		t.Errorf("logged\n%s\nwarmed\n%s", strings.Join(servable.runs, "\n"), strings.Join(warmed.runs, "\n"))
	}
}

// TestRecords looks at all that is in a file.
func TestRecords(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "requests")
	logs := openLogs(t, Options{Tags: []string{"serve"}}, configs{"m": config(prefix, 1)})
	h := new(fake).handle()
	sig := signatures["text"]
	s := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{1, 2}, Strings: [][]byte{[]byte("a"), []byte("b")}}
	tensors := []tensor.Tensor{integer(5), s}
	logs.For("m").Write(Predict(h, asked("text"), sig, tensors, tensors, []int{1}))
	logs.For("m").Write(Predict(h, asked("text"), sig, tensors, tensors, []int{0, 1}))
	input := &apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleList{ExampleList: &apis_go_proto.ExampleList{}}}
	result := &apis_go_proto.RegressionResult{Regressions: []*apis_go_proto.Regression{{Value: 2.5}}}
	logs.For("m").Write(Inference(h, asked(""), inference.Request{Method: inference.Regress}, inference.Result{Regression: result}))
	closeLogs(t, logs)

	k, m := message(&tensors[0]), message(&s)
	type protos = map[string]*tensor_go_proto.TensorProto
	served := inference.ModelSpec(h, asked("text"))
	metadata := func(served *apis_go_proto.ModelSpec) *apis_go_proto.LogMetadata {
		return &apis_go_proto.LogMetadata{ModelSpec: served, SamplingConfig: &config_go_proto.SamplingConfig{SamplingRate: 1}, SavedModelTags: []string{"serve"}}
	}
	want := []*apis_go_proto.PredictionLog{
		{LogMetadata: metadata(served), LogType: &apis_go_proto.PredictionLog_PredictLog{PredictLog: &apis_go_proto.PredictLog{
			Request:  &apis_go_proto.PredictRequest{ModelSpec: asked("text"), Inputs: protos{"k": k, "s": m}, OutputFilter: []string{"s"}},
			Response: &apis_go_proto.PredictResponse{ModelSpec: served, Outputs: protos{"s": m}}}}},
		{LogMetadata: metadata(served), LogType: &apis_go_proto.PredictionLog_PredictLog{PredictLog: &apis_go_proto.PredictLog{
			Request:  &apis_go_proto.PredictRequest{ModelSpec: asked("text"), Inputs: protos{"k": k, "s": m}},
			Response: &apis_go_proto.PredictResponse{ModelSpec: served, Outputs: protos{"k": k, "s": m}}}}},
		{LogMetadata: metadata(inference.ModelSpec(h, asked(""))), LogType: &apis_go_proto.PredictionLog_RegressLog{RegressLog: &apis_go_proto.RegressLog{
			Request:  &apis_go_proto.RegressionRequest{ModelSpec: asked(""), Input: input},
			Response: &apis_go_proto.RegressionResponse{ModelSpec: inference.ModelSpec(h, asked("")), Result: result}}}},
	}
	got := contents(t, prefix+"*")
	if len(got) != len(want) {
		t.Fatalf("%d records", len(got))
	}
	now := time.Now().Unix()
	for i := range want {
		if at := got[i].LogMetadata.TimestampSecs; at > now || at < now-3600 {
			t.Errorf("record %d: the time is %d", i, at)
		}
		got[i].LogMetadata.TimestampSecs = 0
		if !proto.Equal(got[i], want[i]) {
			t.Errorf("record %d: got\n%v\nwant\n%v", i, prototext.Format(got[i]), prototext.Format(want[i]))
		}
	}
	if v := got[0].LogMetadata.ModelSpec.GetVersion().GetValue(); v != 7 {
		t.Errorf("the version that answered is %d", v)
	}
}

func TestSampling(t *testing.T) {
	dir := t.TempDir()
	logs := openLogs(t, Options{}, configs{"never": config(dir+"/a", 0), "quarter": config(dir+"/b", 0.25), "always": config(dir+"/c", 1), "off": nil})
	const asks = 100_000
	for model, want := range map[string]float64{"never": 0, "off": 0, "unknown": 0, "quarter": 0.25, "always": 1} {
		n := 0
		for range asks {
			if logs.For(model).Sampled() {
				n++
			}
		}
		// Ten standard deviations on either side.
		if margin := 10 * math.Sqrt(asks*want*(1-want)); math.Abs(float64(n)-asks*want) > margin {
			t.Errorf("%s: %d of %d", model, n, asks)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { logs.For("quarter").Sampled() }); n != 0 {
		t.Errorf("a request that is asked about costs %v allocations", n)
	}
	var off *Logs
	if off.For("m").Sampled() || off.Close() != nil {
		t.Error("no logs at all sample")
	}
}

func TestCheck(t *testing.T) {
	bad := configs{
		"a":  {LogCollectorConfig: &config_go_proto.LogCollectorConfig{Type: "kafka", FilenamePrefix: "/x"}},
		"b":  {SamplingConfig: &config_go_proto.SamplingConfig{SamplingRate: 1.5}},
		"c":  config("gs://bucket/x", math.NaN()),
		"ok": {LogCollectorConfig: &config_go_proto.LogCollectorConfig{Type: FileCollector, FilenamePrefix: "x"}},
		"no": nil,
	}
	err := NewLogs(Options{}).Set(bad)
	want := `logging_config of model a: log_collector_config.type "kafka" is unknown; supported is "file", also when it is left out; ` +
		`logging_config of model b: log_collector_config.filename_prefix is missing; logging_config of model b: sampling_config.sampling_rate is to be between 0 and 1; ` +
		`logging_config of model c: log_collector_config.filename_prefix is to be a path of the local file system, not gs://bucket/x; ` +
		`logging_config of model c: sampling_config.sampling_rate is to be between 0 and 1`
	if status.Code(err) != codes.InvalidArgument || status.Convert(err).Message() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestSet changes the configuration while requests are logged.
func TestSet(t *testing.T) {
	dir := t.TempDir()
	var recorded sync.Map
	o := Options{Recorded: func(model string, c codes.Code) { recorded.Store(model+" "+c.String(), true) }}
	logs := openLogs(t, o, configs{"a": config(dir+"/shared", 1), "b": config(dir+"/shared", 1), "c": config(dir+"/own", 1)})
	predict(logs, "a", 1)
	predict(logs, "b", 2)
	predict(logs, "c", 3)
	gone := logs.For("c")

	// A change that cannot be made leaves everything as it was.
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := logs.Set(configs{"a": config(dir+"/new/x", 1), "z": config(dir+"/file/x", 1)})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "logging_config of model z: log_collector_config.filename_prefix") {
		t.Errorf("a file where a folder should be: %v", err)
	}
	predict(logs, "a", 4)

	if err := logs.Set(configs{"a": config(dir+"/shared", 1), "b": config(dir+"/shared", 0)}); err != nil {
		t.Fatal(err)
	}
	if got := values(contents(t, dir+"/own-*")); !slices.Equal(got, []string{"3"}) {
		t.Errorf("the log that was taken out has %q", got)
	}
	predict(logs, "a", 5)
	predict(logs, "b", 6)
	predict(logs, "c", 7)
	gone.Write(new(apis_go_proto.PredictionLog)) // by a handler that asked before the change
	closeLogs(t, logs)
	if got := values(contents(t, dir+"/shared-*")); !slices.Equal(got, []string{"1", "2", "4", "5"}) {
		t.Errorf("the shared log has %q", got)
	}
	got := slices.Sorted(keys(&recorded))
	if want := []string{"a OK", "b OK", "c OK", "c Unavailable"}; !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
	if err := logs.Set(nil); status.Code(err) != codes.Unavailable {
		t.Errorf("after Close: %v", err)
	}
	predict(logs, "a", 8)
}

func keys(m *sync.Map) func(func(string) bool) {
	all := make(map[string]bool)
	m.Range(func(k, _ any) bool { all[k.(string)] = true; return true })
	return maps.Keys(all)
}

// TestConcurrent has many writers while the configuration changes; what was taken is there, in whole records.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	taken := 0
	o := Options{FileBytes: 4 << 10, Files: 1 << 20, Recorded: func(_ string, c codes.Code) {
		if c == codes.OK {
			mu.Lock()
			taken++
			mu.Unlock()
		}
	}}
	logs := openLogs(t, o, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var changes, writers sync.WaitGroup
	changes.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := logs.Set(configs{"m": config([]string{dir + "/a", dir + "/b"}[i%2], 1)}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 8 {
		writers.Go(func() {
			for range 500 {
				predict(logs, "m", 1)
			}
		})
	}
	writers.Wait()
	cancel()
	changes.Wait()
	closeLogs(t, logs)
	if got := len(contents(t, dir+"/*")); got != taken {
		t.Errorf("%d records were taken, %d are there", taken, got)
	}
}

func BenchmarkSampled(b *testing.B) {
	logs := NewLogs(Options{})
	if err := logs.Set(configs{"m": config(filepath.Join(b.TempDir(), "x"), 0.01)}); err != nil {
		b.Fatal(err)
	}
	defer logs.Close()
	b.ReportAllocs()
	for b.Loop() {
		logs.For("m").Sampled()
	}
}

func BenchmarkWrite(b *testing.B) {
	logs := NewLogs(Options{})
	if err := logs.Set(configs{"m": config(filepath.Join(b.TempDir(), "x"), 1)}); err != nil {
		b.Fatal(err)
	}
	defer logs.Close()
	x := floats(make([]float32, 256)...)
	b.ReportAllocs()
	for b.Loop() {
		logs.For("m").Write(Predict(new(fake).handle(), asked(""), signatures["serving_default"], []tensor.Tensor{x}, []tensor.Tensor{x}, nil))
	}
}
