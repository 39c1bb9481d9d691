package telemetry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// fasthttp has a goroutine for the date, which lives as long as the process, and one that cleans a stopped server's pool,
// which notices the stop when it wakes.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// sig has two inputs, of which TensorFlow Serving counts each.
var sig = &tensor.Signature{Name: "serving_default", Inputs: make([]tensor.Spec, 2)}

func newTelemetry(t testing.TB) *Telemetry {
	t.Helper()
	tel, err := New(context.Background(), Options{Version: "1.2.3", TensorFlow: "2.21.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return tel
}

// live makes a version available, as the manager does.
func live(tel *Telemetry, model string, version int64) {
	h := tel.ServingHooks()
	h.StateChanged(model, version, serving.Unknown, serving.Start, nil)
	h.StateChanged(model, version, serving.Start, serving.Loading, nil)
	h.LoadFinished(model, version, 1, 2*time.Second, nil)
	h.StateChanged(model, version, serving.Loading, serving.Available, nil)
}

// over unloads it.
func over(tel *Telemetry, model string, version int64) {
	h := tel.ServingHooks()
	h.StateChanged(model, version, serving.Available, serving.Unloading, nil)
	h.StateChanged(model, version, serving.Unloading, serving.End, nil)
}

func predict(model string, version int64, err error) *serving.Call {
	return &serving.Call{
		API:    serving.REST,
		Method: "Predict", Model: model, Version: version, Signature: "serving_default", Err: err, Duration: 9 * time.Millisecond,
		Decode: time.Millisecond, Queue: 2 * time.Millisecond, Run: 5 * time.Millisecond, Encode: time.Millisecond / 2,
	}
}

// exercise makes every metric count something.
func exercise(tel *Telemetry) {
	live(tel, "m", 1)
	live(tel, "m", 2)
	over(tel, "m", 1)
	tel.ServingHooks().LoadFinished("m", 3, 1, time.Second, status.Error(codes.NotFound, "x"))
	tel.ServingHooks().ConfigApplied(1)
	tel.SavedModelLoaded("m", 2, "/models/m/2", 1500*time.Millisecond, nil)
	tel.SavedModelLoaded("m", 3, "/models/m/3", time.Second, status.Error(codes.NotFound, "x"))
	tel.WarmedUp("m", 2, "/models/m/2", 3, time.Second, nil)

	tel.RequestLogged("m", codes.OK)
	tel.RequestLogged("m", codes.ResourceExhausted)
	tel.Done(predict("m", 2, nil))
	tel.Done(predict("m", 2, status.Error(codes.InvalidArgument, "x")))
	tel.Done(&serving.Call{API: serving.REST, Method: "Classify", Model: "m", Version: 2, Signature: "c", Examples: 3, Duration: time.Millisecond, Run: time.Millisecond})
	tel.Done(&serving.Call{API: serving.REST, Method: "GetModelStatus", Model: "m", Version: serving.NoVersion, Duration: time.Millisecond})
	tel.Done(&serving.Call{API: serving.GRPC, Method: "Predict", Model: "m", Duration: 3 * time.Millisecond})
	tel.Done(&serving.Call{API: serving.GRPC, Method: "GetModelMetadata", Model: "m", Duration: time.Millisecond})
	tel.Done(&serving.Call{API: serving.REST, Method: "ModelInfer", Model: "m", Version: 2, Duration: time.Millisecond, Run: time.Millisecond})

	o := tel.BatchObserver("m", 2)
	for _, r := range reasons {
		o.BatchDone(batcher.BatchInfo{Signature: sig, Reason: r, Entries: 2, Rows: 6, Size: 8, Run: 4 * time.Millisecond, Executor: onGPU{}})
	}
	o.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonUnbatched, Entries: 1, Err: batcher.ErrClosed})
	tel.WatchDevices(gpus())
	o.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 3, Queue: 150 * time.Microsecond, Run: 4 * time.Millisecond})
	o.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 3, Queue: time.Hour, Err: batcher.ErrClosed})
	for _, err := range []error{
		&batcher.QueueFullError{}, &batcher.NoDeviceError{}, batcher.ErrClosed, context.DeadlineExceeded, context.Canceled,
		status.Error(codes.InvalidArgument, "too large"), status.Error(codes.Internal, "x"),
	} {
		o.EntryRejected(sig, err)
	}
}

// loaded is what the available version's load made of it.
var loaded = &serving.Report{
	Batching:     []serving.SignatureBatching{{Signature: "serving_default", Batched: true}},
	Engines:      []serving.SignatureEngine{{Signature: "serving_default", Engine: "openvino", Gain: 1.5, Runs: 7, Returned: 2}},
	MaxBatchSize: 64, BatchSizeFrom: "measured", Memory: 3e6, Weights: 1e6, FellBack: "a test",
	Phases: []serving.Phase{{Name: serving.PhaseSession, Took: 1500 * time.Millisecond}},
}

// newCore has one model with one version, which is busy.
func newCore() *servingtest.Core[fakeServable] {
	return &servingtest.Core[fakeServable]{
		Loaded: map[string]map[int64]fakeServable{"m": {2: {}}},
		Statuses: []serving.ModelStatus{
			{Name: "m", Configured: true, Versions: []serving.VersionStatus{{Version: 2, State: serving.Available, Report: loaded}, {Version: 1, State: serving.End}}},
			{Name: "gone", Versions: []serving.VersionStatus{{Version: 1, State: serving.End}}},
		},
	}
}

type fakeServable struct{ serving.Servable }

func (fakeServable) Stats() batcher.Stats {
	return batcher.Stats{Entries: 3, Rows: 5, Oldest: 250 * time.Millisecond, Busy: 1, Instances: 2}
}

// tfPage is TensorFlow Serving's page for a URL.
func tfPage(t testing.TB, tel *Telemetry, uri string) (status int, contentType, body string) {
	t.Helper()
	app := fiber.New()
	c := app.AcquireCtx(&fasthttp.RequestCtx{})
	defer app.ReleaseCtx(c)
	c.Context().Request.SetRequestURI(uri)
	if err := tel.TFServingHandler("/monitoring/prometheus/metrics")(c); err != nil {
		t.Fatal(err)
	}
	resp := c.Response()
	return resp.StatusCode(), string(resp.Header.ContentType()), string(resp.Body())
}

// families parses the page.
func families(t testing.TB, tel *Telemetry) map[string]*dto.MetricFamily {
	t.Helper()
	code, _, body := tfPage(t, tel, "/monitoring/prometheus/metrics")
	if code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	f, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return f
}

// value finds a series by its labels, given as name, value, name, value. Of a histogram it is the count.
func value(f *dto.MetricFamily, labels ...string) (v float64, ok bool) {
	for _, m := range f.GetMetric() {
		if len(m.GetLabel()) != len(labels)/2 {
			continue
		}
		same := true
		for _, l := range m.GetLabel() {
			found := false
			for i := 0; i < len(labels); i += 2 {
				found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
			}
			same = same && found
		}
		if same {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()), true
		}
	}
	return 0, false
}
