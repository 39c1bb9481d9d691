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
}

// Load makes the session, checks the signatures, starts the batcher and warms up. What was made is freed on any error.
func (l *loader) Load(ctx context.Context) (_ serving.Servable, err error) {
	log := l.Logger.With("model", l.model, "version", l.version)
	session, err := l.sessionConfig(log)
	if err != nil {
		return nil, err
	}
	batching, batch, err := l.batching()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	model, err := savedmodel.Load(l.dir, savedmodel.Options{
		Tags: l.Tags, Config: session, NoPrune: l.NoPrune, Freeze: l.Freeze, ScratchDir: l.Scratch, Logger: log,
	})
	if l.Loaded != nil {
		l.Loaded(l.model, l.version, l.dir, time.Since(start), err)
	}
	if err != nil {
		return nil, err
	}
	b := &Bundle{model: model, alone: make(map[*tensor.Signature]string)}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if len(model.Signatures) == 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "the SavedModel in %s has no signature that can be served", l.dir)
	}
	if len(model.Skipped) > 0 {
		log.Warn("signatures with sparse or composite tensors are not served", "signatures", strings.Join(model.Skipped, ","))
	}
	execs := make([]batcher.Executor, max(l.Instances, 1))
	for i := range execs {
		in, err := model.NewInstance()
		if err != nil {
			return nil, err
		}
		b.instances = append(b.instances, in)
		execs[i] = in
	}
	if err := l.probe(ctx, b, &batching, batch, log); err != nil {
		return nil, err
	}
	var obs batcher.Observer
	if l.Observer != nil {
		obs = l.Observer(l.model, l.version)
	}
	if b.batcher, err = batcher.New(batching, execs, l.Limiter, obs); err != nil {
		return nil, err
	}
	if err := l.warmUp(ctx, b, log); err != nil {
		return nil, err
	}
	savedmodel.ReleaseMemory() // loading takes several times what stays
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
		why := declaredUnbatched(sig)
		if why == "" && !batch {
			why = "batching is off"
		}
		switch {
		case !l.SyntheticWarmup:
		case why == "":
			why = probe(first, sig, probeSizes, log)
		default:
			probeAlone(first, sig, log)
		}
		if why != "" {
			b.alone[sig] = why
			log.Info("signature is served unbatched", "signature", name, "reason", why)
		} else {
			batched = append(batched, sig)
		}
	}
	if l.SyntheticWarmup && len(batched) > 0 {
		l.chooseBatch(first, batched, batching, log)
		batching.EnsureDefaults() // the sizes that follow from it
		for _, sig := range batched {
			probe(first, sig, warmSizes(*batching), log)
		}
	}
	return nil
}

// chooseBatch sets the largest batch, where neither a flag nor a file does, to what gets the most done on this machine: a
// convolutional model may be best with two rows and a dense one with hundreds. It is measured with the default signature.
func (l *loader) chooseBatch(in *savedmodel.Instance, batched []*tensor.Signature, c *batcher.Config, log *slog.Logger) {
	if c.MaxBatchSize != 0 {
		return
	}
	sig := batched[0]
	for _, s := range batched {
		if s.Name == "serving_default" {
			sig = s
		}
	}
	timings := measure(in, sig)
	if c.MaxBatchSize = chooseBatch(timings); c.MaxBatchSize > 0 {
		log.Info("batch size chosen", "max_batch_size", c.MaxBatchSize, "signature", sig.Name, "measured", table(timings))
	}
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
