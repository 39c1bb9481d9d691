package configfile

import (
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/configs"
)

// session returns the sessions' ConfigProto: base (a file's, or nil), changed by the flags. A flag that is 0 does not change the
// file's value. A field that neither sets is chosen for the machine later.
//
// XLA on the CPU needs nothing here: functions that ask for it (jit_compile) are compiled in any session, and clustering
// everything else as well (cpu_global_jit) makes most models slower.
func session(t *configs.TensorFlowOptions, base *pb.ConfigProto) *pb.ConfigProto {
	config := &pb.ConfigProto{}
	if base != nil {
		config = proto.Clone(base).(*pb.ConfigProto)
	}
	over(&config.IntraOpParallelismThreads, t.SessionParallelism)
	over(&config.InterOpParallelismThreads, t.SessionParallelism)
	over(&config.IntraOpParallelismThreads, t.IntraOp)
	over(&config.InterOpParallelismThreads, t.InterOp)
	if t.GPUMemoryFraction > 0 {
		if config.GpuOptions == nil {
			config.GpuOptions = &pb.GPUOptions{}
		}
		config.GpuOptions.PerProcessGpuMemoryFraction = t.GPUMemoryFraction
	}
	if t.XLAGPU {
		graph := graphOptions(config)
		if graph.OptimizerOptions == nil {
			graph.OptimizerOptions = &pb.OptimizerOptions{}
		}
		if o := graph.OptimizerOptions; o.GlobalJitLevel == pb.OptimizerOptions_DEFAULT {
			o.GlobalJitLevel = pb.OptimizerOptions_ON_1
		}
	}
	mixPrecision(config, t.MixedPrecision)
	return config
}

// over replaces a number of threads by a flag's, if the flag is set.
func over(field *int32, flag int) {
	if flag > 0 {
		*field = int32(flag)
	}
}

// graphOptions returns the graph options of the session, and makes them if they are missing.
func graphOptions(config *pb.ConfigProto) *pb.GraphOptions {
	if config.GraphOptions == nil {
		config.GraphOptions = &pb.GraphOptions{}
	}
	return config.GraphOptions
}

// mixPrecision switches on TensorFlow's rewriting to bfloat16. Other types have no effect, as in tensorflow_model_server; Notes
// says so.
func mixPrecision(config *pb.ConfigProto, kind string) {
	if kind != "bfloat16" {
		return
	}
	graph := graphOptions(config)
	if graph.RewriteOptions == nil {
		graph.RewriteOptions = &pb.RewriterConfig{}
	}
	graph.RewriteOptions.AutoMixedPrecisionOnednnBfloat16 = pb.RewriterConfig_ON
}
