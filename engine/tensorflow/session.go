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

// modelConfigFile is a file in a version's directory: a SavedModelConfig in binary form.
var modelConfigFile = filepath.Join("assets.extra", "saved_model_config.pb")

// SessionConfig returns the configuration of all sessions, for many small runs at the same time: each run computes in one thread,
// and there are as many runs as cores. By measurement this is faster than one run with all cores. The user's own settings, which
// may be nil, take precedence. virtualCPUs is the number of devices that TensorFlow shows the CPU as; below 2: one.
func SessionConfig(own *pb.ConfigProto, virtualCPUs int) *pb.ConfigProto {
	c := &pb.ConfigProto{
		IntraOpParallelismThreads: 1,
		AllowSoftPlacement:        true,
		GpuOptions:                &pb.GPUOptions{AllowGrowth: true},
		// The graph does not grow after loading and its partitions are not requested, so TensorFlow need not keep copies.
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

// sessionConfig applies the settings of the model in dir to c.
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
