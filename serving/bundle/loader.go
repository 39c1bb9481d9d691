package bundle

import (
	"context"
	"maps"
	"slices"
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/savedmodel"
	"shoal/serving"
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

// Load makes the session, checks the signatures, warms up and starts the batcher. What was made is freed on any error.
func (l *loader) Load(ctx context.Context) (_ serving.Servable, err error) {
	log := l.Logger.With("model", l.model, "version", l.version)
	model, err := savedmodel.Load(l.dir, savedmodel.Options{Tags: l.Tags, Config: SessionConfig(l.Session)})
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
	for _, name := range slices.Sorted(maps.Keys(model.Signatures)) {
		if err := ctx.Err(); err != nil {
			return nil, status.FromContextError(err).Err()
		}
		sig := model.Signatures[name]
		why := ""
		if !l.Batch {
			why = "batching is off"
		} else if why = declaredUnbatched(sig); why == "" && l.SyntheticWarmup {
			why = probe(b.instances[0], sig, l.Batching.MaxBatchSize, log)
		} else if l.SyntheticWarmup {
			probeAlone(b.instances[0], sig, log)
		}
		if why != "" {
			b.alone[sig] = why
			log.Debug("signature is served unbatched", "signature", name, "why", why)
		}
	}
	var obs batcher.Observer
	if l.Observer != nil {
		obs = l.Observer(l.model, l.version)
	}
	if b.batcher, err = batcher.New(l.Batching, execs, l.Limiter, obs); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "batching: %v", err)
	}
	return b, nil
}

// SessionConfig is the session's configuration: what suits many small runs side by side (each run computes in one thread, and
// there are as many runs as cores; measured, this beats one run with all cores), with the user's own laid over it.
func SessionConfig(user *pb.ConfigProto) *pb.ConfigProto {
	c := &pb.ConfigProto{
		IntraOpParallelismThreads: 1,
		AllowSoftPlacement:        true,
		GpuOptions:                &pb.GPUOptions{AllowGrowth: true},
		// The graph never grows after loading and nobody asks for its partitions: TensorFlow need not keep copies.
		Experimental: &pb.ConfigProto_Experimental{OptimizeForStaticGraph: true, DisableOutputPartitionGraphs: true},
	}
	if user != nil {
		proto.Merge(c, user)
	}
	return c
}
