package bundle

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/predictionlog"
)

// NewLoader is the serving.LoaderFunc for the models of an engine.
func NewLoader(o Options) serving.LoaderFunc {
	sizes := newSizeMemory()
	return func(model serving.ModelConfig, version int64, dir string) serving.Loader {
		return &loader{Options: o, model: model.Name, version: version, dir: dir, sizes: sizes}
	}
}

type loader struct {
	Options
	model   string
	version int64
	dir     string
	sizes   *sizeMemory

	asItIs error // why the model is loaded as it is; nil: as the engine is configured
}

// load makes the session, checks the signatures, starts the batcher and warms up. What was made is freed on any error.
func (l *loader) load(ctx context.Context) (_ *Bundle, err error) {
	log := l.Logger.With("model", l.model, "version", l.version)
	batching, from, mode, err := l.batching()
	if err != nil {
		return nil, err
	}
	grown := startMeter()
	defer grown.stop()
	start := time.Now()
	members, err := l.openMembers(log)
	if l.Loaded != nil {
		l.Loaded(l.model, l.version, l.dir, time.Since(start), err)
	}
	if err != nil {
		return nil, err
	}
	model := members[0].model
	b := &Bundle{
		engine: l.Engine, model: model, described: model.Describe(), members: members, wrap: l.wrap, proofs: make(proofs), timings: make(timings), sizes: l.sizes, trace: l.Trace, log: log,
	}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	l.reportModel(&b.report, model, time.Since(start))
	if err := checkSignatures(b.described, l.dir, log); err != nil {
		return nil, err
	}
	if b.instances, err = makeInstances(members, l.engineMode()); err != nil {
		return nil, err
	}
	warming := time.Now()
	if err := l.prove(ctx, b, &batching, mode, log); err != nil {
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
	if mode == BatchProven {
		b.judge = newJudge(b, l.rounding(b), log)
		b.judge.recording.Store(true)
	}
	b.reportBatching(&batching, from)
	batching.DeviceFault = b.fault(l.Devices)
	batching.Model, batching.Logger = l.model, log
	if b.batcher, err = batcher.New(batching, executors(members, b.judge.wrap(l.wrap)), l.Limiter, obs); err != nil {
		return nil, err
	}
	b.sizes.serves(b.program, b.batcher)
	b.follow(l.Devices, log)
	if err = l.warmUpMembers(ctx, b, batching, log); err == nil {
		err = l.warmUp(ctx, b, log)
	}
	if err != nil {
		if l.suspect(model, err) {
			err = &suspectError{err}
		}
		return nil, err
	}
	if b.judge != nil {
		b.judge.settleRecorded(ctx)
		b.judge.start()
	}
	b.phase(serving.PhaseRecorded, warming)
	if l.Measure {
		b.report.Measured = measure(b.instances[0], cmp.Or(b.representative(), b.inOrder()[0].sig))
	}
	b.report.Memory, b.report.Shared = grown.read() // what loading needed besides, several times what stays, is given back
	b.report.Load = time.Since(start)
	return b, nil
}

// checkSignatures fails if the model has nothing to serve, and warns of each signature that is not served.
func checkSignatures(d *engine.Description, dir string, log *slog.Logger) error {
	why := ""
	for _, name := range slices.Sorted(maps.Keys(d.Skipped)) {
		why += fmt.Sprintf("; %s: %s", name, d.Skipped[name])
		log.Warn("a signature is not served", "signature", name, "reason", d.Skipped[name])
	}
	if len(d.Signatures) == 0 {
		return status.Errorf(codes.FailedPrecondition, "the model in %s has no signature that can be served%s", dir, why)
	}
	return nil
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
