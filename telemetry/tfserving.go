package telemetry

import (
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"shoal/batcher"
	"shoal/serving"
)

// batchThreads is the thread_pool_name that tensorflow_model_server gives its batching.
const batchThreads = "model_server_batch_threads"

// The metrics of TensorFlow Serving that Shoal has too, with the names of its page. Times are in microseconds.
var (
	tfRequestCount = Metric{":tensorflow:serving:request_count", Counter, "", []string{"model_name", "status"},
		"The total number of requests."}
	tfRequestLogCount = Metric{":tensorflow:serving:request_log_count", Counter, "", []string{"model_name", "status"},
		"The total number of requests written to request logs."}
	tfRequestLatency = Metric{":tensorflow:serving:request_latency", Histogram, "us", []string{"model_name", "API", "entrypoint"},
		"Wall time of requests that were answered with OK."}
	tfRuntimeLatency = Metric{":tensorflow:serving:runtime_latency", Histogram, "us", []string{"model_name", "API", "runtime"},
		"Wall time of the run of a request, its wait for a batch included."}
	tfExampleCounts = Metric{":tensorflow:serving:request_example_counts", Histogram, "", []string{"model"},
		"The number of tensorflow.Examples per request."}
	tfExampleTotal = Metric{":tensorflow:serving:request_example_count_total", Counter, "", []string{"model"},
		"The total number of tensorflow.Examples."}
	tfQueuing = Metric{":tensorflow:serving:batching_session:queuing_latency", Histogram, "us", []string{"thread_pool_name"},
		"Wall time a request waited for its batch."}
	tfInputBatch = Metric{":tensorflow:serving:batching_session:input_batch_size", Histogram, "", nil,
		"The batch size of each input of a request."}
	tfProcessedBatch = Metric{":tensorflow:serving:batching_session:processed_batch_size", Histogram, "", nil,
		"The size of the batches that were run, with padding."}
	tfPadding = Metric{":tensorflow:serving:batching_session:padding_size", Histogram, "", []string{"execution_batch_size"},
		"The padding of the batches that were run."}
	tfRuns = Metric{":tensorflow:serving:batching_session:wrapped_run_count", Counter, "", nil,
		"Batches that were run."}
	tfWarmup = Metric{":tensorflow:serving:model_warmup_latency", Histogram, "us", []string{"model_path", "status"},
		"Wall time to warm a version up with its recorded requests."}
	tfWarmupRecords = Metric{":tensorflow:serving:model_warmup_records_read", Counter, "", []string{"model_path", "status"},
		"Recorded requests that were run to warm a version up."}
	tfLoadCount = Metric{":tensorflow:cc:saved_model:load_attempt_count", Counter, "", []string{"model_path", "status"},
		"Attempts to load a SavedModel: success or fail."}
	tfLoadLatency = Metric{":tensorflow:cc:saved_model:load_latency", Counter, "us", []string{"model_path"},
		"Time spent loading SavedModels that were loaded."}
	tfGraphBuilds = Metric{":tensorflow:core:graph_build_calls", Counter, "", nil,
		"Sessions that were made of SavedModels."}
	tfGraphBuildTime = Metric{":tensorflow:core:graph_build_time_usecs", Counter, "us", nil,
		"Time spent making them."}
	tfGraphRuns = Metric{":tensorflow:core:graph_runs", Counter, "", nil,
		"Runs of sessions, those of warm-up and measurement left out."}
	tfGraphRunTime = Metric{":tensorflow:core:graph_run_time_usecs", Counter, "us", nil,
		"Time spent in these runs."}
)

// TFServingMetrics lists the metrics of TensorFlow Serving's family.
func TFServingMetrics() []Metric {
	return []Metric{
		tfRequestCount, tfRequestLogCount, tfRequestLatency, tfRuntimeLatency, tfExampleCounts, tfExampleTotal,
		tfQueuing, tfInputBatch, tfProcessedBatch, tfPadding, tfRuns, tfWarmup, tfWarmupRecords, tfLoadCount, tfLoadLatency,
		tfGraphBuilds, tfGraphBuildTime, tfGraphRuns, tfGraphRunTime,
	}
}

// The buckets of TensorFlow Serving, with their limits as it prints them, to six digits.
var (
	tfLatencyScale = newScale(1e-3, exponential(10, 1.8, 33)...)
	tfQueuingScale = newScale(1e-3, exponential(100, 1.2, 52)...)
	tfSizeScale    = newScale(1, exponential(1, 2, 14)...)
	tfExampleScale = newScale(1, exponential(1, 2, 15)...)
)

func exponential(first, factor float64, n int) []float64 {
	limits := make([]float64, n)
	for i := range limits {
		limits[i], _ = strconv.ParseFloat(strconv.FormatFloat(first*math.Pow(factor, float64(i)), 'g', 6, 64), 64)
	}
	return limits
}

// tfserving counts for TensorFlow Serving's page.
type tfserving struct {
	since     time.Time
	requests  table[string, tfRequests]
	logged    table[string, tfRequests] // records of request logs
	latency   table[tfCall, histogram]  // tfCall.where is the entry point
	runtime   table[tfCall, histogram]  // tfCall.where is the runtime
	examples  table[string, tfExamples]
	queuing   histogram
	input     histogram
	processed histogram
	padding   table[int, histogram] // by batch size
	runs      counter
	loads     table[string, tfLoads] // by directory
	warmups   table[tfWarm, tfWarmups]
	built     tfGraphs // sessions made
	ran       tfGraphs // runs, batched or not
}

// tfGraphs are the counters of TensorFlow itself, which have no labels and outlive the versions.
type tfGraphs struct{ calls, nanos counter }

func (g *tfGraphs) add(took time.Duration) {
	g.calls.add(1)
	g.nanos.add(int(took))
}

func (g *tfGraphs) micros() float64 { return float64(g.nanos.load() / 1000) }

type tfRequests struct {
	codes [codes.Unauthenticated + 1]counter
}

type tfCall struct{ model, api, where string }

type tfExamples struct {
	total  counter
	counts histogram
}

func (f *tfserving) init() {
	f.since = time.Now()
	f.queuing.init(tfQueuingScale)
	f.input.init(tfSizeScale)
	f.processed.init(tfSizeScale)
}

func newTFLatency() *histogram   { return newHistogram(tfLatencyScale) }
func newTFSize() *histogram      { return newHistogram(tfSizeScale) }
func newTFRequests() *tfRequests { return new(tfRequests) }

func newTFExamples() *tfExamples {
	e := new(tfExamples)
	e.counts.init(tfExampleScale)
	return e
}

// finished counts a request of a model that may be a label, if it is of TensorFlow Serving's API. It follows TensorFlow Serving:
// gRPC calls for metadata, states and multi-inference are not counted; latencies are those of successful requests; REST's methods
// are in lower case.
func (f *tfserving) finished(model string, c *serving.Call, code codes.Code) {
	infers := false
	switch c.Method {
	case "Predict", "Classify", "Regress":
		infers = true
	}
	api, entry := c.Method, "GRPC"
	if c.API == serving.REST {
		name, ok := tfRESTNames[c.Method]
		if !ok {
			return
		}
		api, entry = name, "REST"
	} else if !infers {
		return
	}
	f.requests.get(model, newTFRequests).codes[code].add(1)
	if c.Examples > 0 && code == codes.OK {
		e := f.examples.get(model, newTFExamples)
		e.total.add(c.Examples)
		e.counts.record(int64(c.Examples))
	}
	if code != codes.OK {
		return
	}
	f.latency.get(tfCall{model, api, entry}, newTFLatency).record(int64(c.Duration))
	if infers && c.Queue+c.Run > 0 {
		f.runtime.get(tfCall{model, c.Method, "TF1"}, newTFLatency).record(int64(c.Queue + c.Run))
	}
}

// tfRESTNames are the labels that TensorFlow Serving uses for methods: the verb of the URL, which a GET does not have.
var tfRESTNames = map[string]string{
	"Predict": "predict", "Classify": "classify", "Regress": "regress",
	"GetModelStatus": "", "GetModelMetadata": "", "ListModels": "", "": "",
}

func (f *tfserving) batchDone(b batcher.BatchInfo) {
	f.ran.add(b.Run)
	if b.Rows == 0 {
		return // unbatched: TensorFlow Serving does not count such a run as one of the batching session
	}
	f.runs.add(1)
	f.processed.record(int64(b.Size))
	f.padding.get(b.Size, newTFSize).record(int64(b.Size - b.Rows))
}

func (f *tfserving) entryDone(e batcher.EntryInfo) {
	f.queuing.record(int64(e.Queue))
	for range e.Signature.Inputs {
		f.input.record(int64(e.Rows))
	}
}

// statusName returns a code's name on the page: OK, NOT_FOUND, ….
func statusName(c codes.Code) string { return code.Code(c).String() }

// counter returns a counter by TensorFlow Serving's name for it, such as /tensorflow/serving/request_count, summed over its labels.
func (f *tfserving) counter(name string) (sum int64) {
	name = strings.ReplaceAll(name, "/", ":")
	for s := range f.samples {
		if s.metric.Name == name && s.metric.Kind == Counter {
			sum += int64(s.value)
		}
	}
	return sum
}
