package tensorflow

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/servables/tensorflow_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/internal/files"
)

// modelConfigFile lies in a version's directory: a SavedModelConfig in binary form.
var modelConfigFile = filepath.Join("assets.extra", "saved_model_config.pb")

// SessionConfig is the configuration of all sessions: what suits many small runs side by side (each run computes in one thread, and
// there are as many runs as cores; measured, this beats one run with all cores), with the user's own, which may be nil, laid over it.
// virtualCPUs is as how many devices TensorFlow shows the CPU; below 2: as one.
func SessionConfig(own *pb.ConfigProto, virtualCPUs int) *pb.ConfigProto {
	c := &pb.ConfigProto{
		IntraOpParallelismThreads: 1,
		AllowSoftPlacement:        true,
		GpuOptions:                &pb.GPUOptions{AllowGrowth: true},
		// The graph never grows after loading and nobody asks for its partitions: TensorFlow need not keep copies.
		Experimental: &pb.ConfigProto_Experimental{OptimizeForStaticGraph: true, DisableOutputPartitionGraphs: true},
	}
	if virtualCPUs > 1 {
		c.DeviceCount = map[string]int32{"CPU": int32(virtualCPUs)}
	}
	if own != nil {
		proto.Merge(c, own)
	}
	return c
}

// sessionConfig lays the settings of the model in dir over c, which it changes.
func sessionConfig(dir string, c *pb.ConfigProto, log *slog.Logger) (*pb.ConfigProto, error) {
	raw, err := files.Read(filepath.Join(dir, modelConfigFile), files.MaxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	own := new(tensorflow_go_proto.SavedModelConfig)
	if err == nil {
		err = proto.Unmarshal(raw, own)
	}
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%s: %v", modelConfigFile, err)
	}
	overrides := own.GetSessionOverrides()
	if overrides.GetDisableMetaOptimizer() {
		proto.Merge(c, &pb.ConfigProto{GraphOptions: &pb.GraphOptions{RewriteOptions: &pb.RewriterConfig{DisableMetaOptimizer: true}}})
	}
	if overrides.GetBatchOpRewriterConfig() != nil || overrides.GetRemoteOpRemapConfig() != nil || own.GetTfrtRuntimeConfig() != nil {
		log.Warn(modelConfigFile + ": of its settings only session_overrides.disable_meta_optimizer has an effect here")
	}
	return c, nil
}

// imprecise reports whether the operator chose less precise arithmetic.
func imprecise(c *pb.ConfigProto) bool {
	r := c.GetGraphOptions().GetRewriteOptions()
	return r.GetAutoMixedPrecision() == pb.RewriterConfig_ON || r.GetAutoMixedPrecisionOnednnBfloat16() == pb.RewriterConfig_ON
}
