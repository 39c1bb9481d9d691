package bundle

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/savedmodel"
	"shoal/serving"
	"shoal/serving/predictionlog"
	"shoal/tensor"
)

// NewLoader is the serving.LoaderFunc for SavedModels.
func NewLoader(o Options) serving.LoaderFunc {
	return func(model serving.ModelConfig, version int64, dir string) serving.Loader {
		return &loader{Options: o, model: model.Name, version: version, dir: dir}
	}
}

type loader struct {
	Options
	model   string
	version int64
	dir     string

	fellBack string // why the graph is loaded as it is though it should not be
}

// load makes the session, checks the signatures, starts the batcher and warms up. What was made is freed on any error.
func (l *loader) load(ctx context.Context) (_ *Bundle, err error) {
	log := l.Logger.With("model", l.model, "version", l.version)
	session, err := l.sessionConfig(log)
	if err != nil {
		return nil, err
	}
	batching, from, batch, err := l.batching()
	if err != nil {
		return nil, err
	}
	memory := startMeter()
	defer memory.stop()
	start := time.Now()
	members, err := l.openMembers(savedmodel.Options{
		Tags: l.Tags, Config: session, NoPrune: l.NoPrune, Freeze: l.Freeze, ScratchDir: l.Scratch, Logger: log,
	}, log)
	if l.Loaded != nil {
		l.Loaded(l.model, l.version, l.dir, time.Since(start), err)
	}
	if err != nil {
		return nil, err
	}
	model := members[0].model
	b := &Bundle{model: model, members: members, wrap: l.wrap, alone: make(map[*tensor.Signature]string), trace: l.Trace, log: log}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	l.reportModel(&b.report, model, time.Since(start))
	savedmodel.AddFeatures(l.dir, l.Tags, model.Signatures)
	savedmodel.MarkSteady(l.dir, l.Tags, model.Signatures)
	if len(model.Signatures) == 0 {
		if len(model.Skipped) > 0 {
			return nil, status.Errorf(codes.FailedPrecondition, "the SavedModel in %s has no signature that can be served: %s have sparse or composite tensors", l.dir, strings.Join(model.Skipped, ", "))
		}
		return nil, status.Errorf(codes.FailedPrecondition, "the SavedModel in %s has no signature that can be served", l.dir)
	}
	if len(model.Skipped) > 0 {
		log.Warn("signatures with sparse or composite tensors are not served", "signatures", strings.Join(model.Skipped, ","))
	}
	if b.instances, err = makeInstances(members); err != nil {
		return nil, err
	}
	warming := time.Now()
	if err := l.probe(ctx, b, &batching, batch, log); err != nil {
		return nil, err
	}
	if err := l.settle(b, &batching, log); err != nil {
		return nil, err
	}
	warming = b.phase(serving.PhaseWarmUp, warming)
	var obs batcher.Observer
	if l.Observer != nil {
		obs = l.Observer(l.model, l.version)
	}
	batching.EnsureDefaults()
	b.reportBatching(&batching, from)
	batching.DeviceFault = b.fault(l.Devices)
	batching.Model, batching.Logger = l.model, log
	if b.batcher, err = batcher.New(batching, executors(members, l.wrap), l.Limiter, obs); err != nil {
		return nil, err
	}
	b.follow(l.Devices, log)
	if err = l.warmUpMembers(ctx, b, batching, log); err == nil {
		err = l.warmUp(ctx, b, log)
	}
	if err != nil {
		if l.blamed(model, err) {
			err = &rewritingError{err}
		}
		return nil, err
	}
	b.phase(serving.PhaseRecorded, warming)
	b.report.Memory, b.report.Shared = memory.read() // what loading needed besides, several times what stays, is given back
	b.report.Load = time.Since(start)
	return b, nil
}

// probe decides for each signature whether it is batched, makes its first runs, and chooses the batch size where nobody did.
func (l *loader) probe(ctx context.Context, b *Bundle, batching *batcher.Config, batch bool, log *slog.Logger) error {
	first := b.instances[0]
	var batched []*tensor.Signature
	for _, name := range slices.Sorted(maps.Keys(b.model.Signatures)) {
		if err := ctx.Err(); err != nil {
			return status.FromContextError(err).Err()
		}
		sig := b.model.Signatures[name]
		why, refused := declaredUnbatched(sig), error(nil)
		if why == "" && !batch {
			why = "batching is off"
		}
		switch {
		case !l.SyntheticWarmup:
		case why == "":
			why, refused = probe(first, sig, probeSizes, log)
		default:
			refused = probeAlone(first, sig, log)
		}
		if l.blamed(b.model, refused) && !expected(sig, refused) {
			return &rewritingError{refused}
		}
		if why != "" {
			b.alone[sig] = why
			log.Info("signature is served unbatched", "signature", name, "reason", why)
		} else {
			batched = append(batched, sig)
		}
	}
	if l.SyntheticWarmup && len(batched) > 0 {
		b.report.Measured = chooseFor(first, batched, batching)
		batching.EnsureDefaults() // the sizes that follow from it
		for _, sig := range batched {
			probe(first, sig, warmSizes(*batching), log)
		}
	}
	return nil
}

// chooseFor sets the largest batch, where neither a flag nor a file does, to what gets the most done on this machine: a
// convolutional model may be best with two rows and a dense one with hundreds. It is measured with the default signature.
func chooseFor(in *savedmodel.Instance, batched []*tensor.Signature, c *batcher.Config) []serving.Timing {
	if c.MaxBatchSize != 0 && c.Objective == 0 {
		return nil
	}
	sig := batched[0]
	for _, s := range batched {
		if s.Name == "serving_default" {
			sig = s
		}
	}
	timings := measure(in, sig)
	if c.MaxBatchSize == 0 {
		c.MaxBatchSize = smallest(timings, enough)
		c.EfficientRows = smallest(timings, efficient)
	}
	for _, t := range timings {
		c.Measured = append(c.Measured, batcher.Timing{Rows: int(t.Rows), Took: t.Took})
	}
	return timings
}

// warmUp runs the recorded requests that lie beside the model.
func (l *loader) warmUp(ctx context.Context, b *Bundle, log *slog.Logger) error {
	if !l.Warmup {
		return nil
	}
	start := time.Now()
	n, err := predictionlog.WarmUp(ctx, l.dir, b, predictionlog.WarmUpOptions{Iterations: l.WarmupIterations, CheckMethodName: l.CheckMethodNames, Logger: log})
	if l.WarmedUp != nil && (n > 0 || err != nil) {
		l.WarmedUp(l.model, l.version, l.dir, n, time.Since(start), err)
	}
	return err
}
