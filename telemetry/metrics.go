package telemetry

import (
	"slices"

	"github.com/prometheus/otlptranslator"
)

// Kind is the kind of a metric.
type Kind string

// The kinds. A counter only grows; a gauge is the state at the moment of the reading.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric describes one metric. Its name is in OpenTelemetry's form, from which Prometheus' is made. A metric of TensorFlow
// Serving's family has the name of its page.
type Metric struct {
	Name   string
	Kind   Kind
	Unit   string // in UCUM, as OpenTelemetry writes it
	Labels []string
	Help   string
}

var (
	requestLabels = []string{"model", "version", "signature", "api", "method"}
	batchLabels   = []string{"model", "version", "signature"}
	versionLabels = []string{"model", "version"}
)

func with(labels []string, more ...string) []string { return slices.Concat(labels, more) }

// Shoal's own metrics.
var (
	requests = Metric{"shoal.requests", Counter, "{request}", with(requestLabels, "code"),
		"Finished requests, by the canonical code they were answered with."}
	requestDuration = Metric{"shoal.request.duration", Histogram, "s", requestLabels,
		"Time from a request's arrival to its answer."}
	decodeDuration = Metric{"shoal.request.decode.duration", Histogram, "s", requestLabels,
		"Time to turn a request into tensors; of inference requests that got this far."}
	encodeDuration = Metric{"shoal.request.encode.duration", Histogram, "s", requestLabels,
		"Time to turn the outputs into an answer; of inference requests that were answered."}
	queueDuration = Metric{"shoal.request.queue.duration", Histogram, "s", batchLabels,
		"Time a request waited until its batch was taken; of requests that were answered."}
	runDuration = Metric{"shoal.request.run.duration", Histogram, "s", batchLabels,
		"Time of the run of the batch that a request was in; of requests that were answered."}
	rejected = Metric{"shoal.requests.rejected", Counter, "{request}", with(batchLabels, "reason"),
		"Requests that were rejected before they were queued, by reason: queue_full, late, too_large, deadline, cancelled, closed, no_device (all are out of service), other. The signature is empty if the request was rejected before it was decoded."}

	batches = Metric{"shoal.batches", Counter, "{batch}", with(batchLabels, "reason"),
		"Batches that were run, by why they left the queue: full, idle (an instance was), timeout, due (waiting for more would make a request miss the latency objective), closing (the version is unloaded), unbatched (a request that shares no batch), retry (finds which request made a batch fail), comparison (a client's answer is compared with one of an unbatched run)."}
	batchFailures = Metric{"shoal.batch.failures", Counter, "{batch}", batchLabels,
		"Batches whose run failed."}
	batchRows = Metric{"shoal.batch.rows", Histogram, "{row}", batchLabels,
		"Rows of a batch, without padding."}
	batchRequests = Metric{"shoal.batch.requests", Histogram, "{request}", batchLabels,
		"Requests that shared a batch."}
	paddedRows = Metric{"shoal.batch.padding", Counter, "{row}", batchLabels,
		"Rows that were added to reach an allowed batch size."}
	batchDuration = Metric{"shoal.batch.run.duration", Histogram, "s", batchLabels,
		"Time to gather a batch and run it on its instance."}

	queueRequests = Metric{"shoal.queue.requests", Gauge, "{request}", versionLabels,
		"Requests waiting in a version's queues."}
	queueRows = Metric{"shoal.queue.rows", Gauge, "{row}", versionLabels,
		"Rows of the requests waiting."}
	queueOldest = Metric{"shoal.queue.oldest", Gauge, "s", versionLabels,
		"How long the oldest request has waited."}
	instancesBusy = Metric{"shoal.instances.busy", Gauge, "{instance}", versionLabels,
		"Instances at work."}
	instances = Metric{"shoal.instances", Gauge, "{instance}", versionLabels,
		"Instances of a version."}
	instancesOverdue = Metric{"shoal.instances.overdue", Gauge, "{instance}", versionLabels,
		"Instances whose run takes ten times as long as expected, and a second at least; it may never end."}
	instancesInService = Metric{"shoal.instances.in_service", Gauge, "{instance}", versionLabels,
		"Instances that take requests. The others are on a device out of service, or their run is stuck (--stuck_run_timeout)."}
	runsWaiting = Metric{"shoal.runs.waiting", Gauge, "{run}", versionLabels,
		"Instances that wait for their turn among the runs of all models (--model_weights)."}
	loadRatio = Metric{"shoal.load.ratio", Gauge, "", versionLabels,
		"Estimated time of the work that waits and runs, divided by the number of instances in service and by the target: --latency_objective, or else the time of one largest batch. Above 1 the version is overloaded."}
	runProcessor = Metric{"shoal.runs.processor", Counter, "s", versionLabels,
		"Processor time that the version's runs have used. Models share the processors by it."}

	modelVersions = Metric{"shoal.model.versions", Gauge, "{version}", []string{"model", "state"},
		"Versions of a configured model, by state; those that ended are not counted."}
	modelLoads = Metric{"shoal.model.loads", Counter, "{load}", []string{"model", "result"},
		"Attempts to load a version: ok or error."}
	loadDuration = Metric{"shoal.model.load.duration", Histogram, "s", []string{"model"},
		"Time of an attempt to load a version, warm-up included."}
	loadPhase = Metric{"shoal.model.load.phase.duration", Gauge, "s", with(versionLabels, "phase"),
		"Time of a part of an available version's load: rewrite (the graph is pruned and frozen), session (TensorFlow reads the model), warm_up (first runs; the batch size is measured), recorded (recorded requests)."}
	modelMemory = Metric{"shoal.model.memory", Gauge, "By", versionLabels,
		"By how much the process grew while a version was loaded and warmed up. It is an estimate, and too large if other versions were loaded at the same time."}
	modelWeights = Metric{"shoal.model.weights", Gauge, "By", versionLabels,
		"Size of a version's variables and constants, known exactly from its files. TensorFlow's own copies are not included."}
	maxBatchSize = Metric{"shoal.model.max_batch_size", Gauge, "{row}", with(versionLabels, "from"),
		"Largest number of rows that run together, and what decided it: measured, a flag, a file, default, or not batched."}
	signatureBatched = Metric{"shoal.signature.batched", Gauge, "", with(versionLabels, "signature"),
		"1 if requests of the signature share batches, 0 if they run unbatched. The log and GET /v1/models say why."}
	signatureSpeed = Metric{"shoal.signature.engine.speed", Gauge, "", with(versionLabels, "signature", "engine"),
		"How many times as fast as TensorFlow the second engine runs batches of the signature, measured when the version was loaded; engine is the one that runs it. GET /v1/models says why. Only if two engines were compared."}
	engineRuns = Metric{"shoal.signature.engine.runs", Counter, "{batch}", with(versionLabels, "signature", "result"),
		"Batches given to the second engine: answered, or returned to TensorFlow, because of values that the engines may treat differently or because it failed."}
	fellBack = Metric{"shoal.model.fallback", Gauge, "", versionLabels,
		"1 if the graph is served unmodified, because it could not be pruned and frozen or did not run afterwards; otherwise 0."}
	modelUnloads = Metric{"shoal.model.unloads", Counter, "{unload}", []string{"model"},
		"Versions that were unloaded."}
	configChanges = Metric{"shoal.config.changes", Counter, "{change}", nil,
		"Model configurations that were applied, including the first one."}
	inflight = Metric{"shoal.inflight", Gauge, "By", nil,
		"Memory that REST and gRPC requests hold: what has arrived of them, decoded inputs, and answers that are not sent yet."}
	inflightLimit = Metric{"shoal.inflight.limit", Gauge, "By", nil,
		"Memory that requests may hold (--max_inflight_bytes)."}
	inflightRefused = Metric{"shoal.inflight.refused", Counter, "{request}", nil,
		"Requests that were rejected because there was no memory left for them."}
	ready = Metric{"shoal.ready", Gauge, "", nil,
		"1 if every configured model has an available version and a device to run it on; otherwise 0."}
	logDropped = Metric{"shoal.log.lines.dropped", Counter, "{line}", nil,
		"Lines of the log that were dropped, because they were not read in time or could not be written."}
	buildInfo = Metric{"shoal.build.info", Gauge, "", []string{"version", "tensorflow", "go"},
		"Always 1. The labels are the versions that run."}
)

// OwnMetrics lists Shoal's own metrics.
func OwnMetrics() []Metric {
	return append([]Metric{
		requests, requestDuration, decodeDuration, queueDuration, runDuration, encodeDuration, rejected,
		batches, batchFailures, batchRows, batchRequests, paddedRows, batchDuration,
		queueRequests, queueRows, queueOldest, instancesBusy, instances, instancesOverdue, instancesInService, runsWaiting, loadRatio, runProcessor,
		modelVersions, modelLoads, loadDuration, loadPhase, modelUnloads, modelMemory, modelWeights, maxBatchSize, signatureBatched, signatureSpeed, engineRuns, fellBack, configChanges, inflight, inflightLimit, inflightRefused, ready, logDropped, buildInfo,
	}, DeviceMetrics()...)
}

// The buckets of a request's phases, of a load, and of numbers of rows or requests.
var (
	phaseScale = newScale(1e-9, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)
	loadScale  = newScale(1e-9, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
	sizeScale  = newScale(1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
)

// prometheusName returns the metric's name on the pages.
func (m *Metric) prometheusName() string {
	if m.Name[0] == ':' {
		return m.Name
	}
	namer := otlptranslator.NewMetricNamer("", translation)
	types := map[Kind]otlptranslator.MetricType{
		Counter: otlptranslator.MetricTypeMonotonicCounter, Gauge: otlptranslator.MetricTypeGauge, Histogram: otlptranslator.MetricTypeHistogram,
	}
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: types[m.Kind]})
	if err != nil {
		panic(err) // the names are constants
	}
	return name
}

// translation converts OpenTelemetry's names to Prometheus': underscores for dots, with the unit and _total at the end.
var translation = otlptranslator.UnderscoreEscapingWithSuffixes
