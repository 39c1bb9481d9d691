// Package oiprpc is the Open Inference Protocol by gRPC: the service inference.GRPCInferenceService, which clients of KServe, Triton,
// MLServer and OpenVINO Model Server call. It translates: package oip knows what the messages mean, serving/rpc receives and answers
// calls. The messages of inference are read and written without the generated types (request.go, response.go): a raw tensor stays in the
// message that it came in, and an output is copied once, from the model's memory to the wire.
package oiprpc

import (
	"google.golang.org/grpc"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
	"shoal/serving/rpc"
)

// ServiceName is the service's full name.
const ServiceName = "inference.GRPCInferenceService"

// Options is what the service is made of.
type Options struct {
	Version    string             // the server's own
	Repository serving.Repository // loads and unloads models; nil: that is not allowed
	Statistics oip.Counted        // nil: nothing was counted
	Log        oip.Log            // nil: the log's settings are not told
	Tracing    bool               // whether requests are traced
}

// service answers the calls.
type service struct {
	opts   Options
	server *rpc.Server
	core   serving.Core
}

// Register adds the service to a server that does not serve yet.
func Register(server *rpc.Server, opts Options) {
	s := &service{opts: opts, server: server, core: server.Options().Core}
	server.Register(rpc.Service{
		Desc: s.describe(),
		Roles: map[string]access.Role{
			"ServerLive": access.Nobody, "ServerReady": access.Nobody,
			"RepositoryIndex": access.Admin, "RepositoryModelLoad": access.Admin, "RepositoryModelUnload": access.Admin,
			"TraceSetting": access.Admin, "LogSettings": access.Admin,
		},
	})
}

// describe lists the calls. Metadata names the file by which server reflection finds their types.
func (s *service) describe() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: ServiceName,
		HandlerType: (*any)(nil),
		Metadata:    inferencepb.File_inference_proto.Path(),
		Methods: []grpc.MethodDesc{
			rpc.Method(s.server, ServiceName, "ServerLive", s.serverLive),
			rpc.Method(s.server, ServiceName, "ServerReady", s.serverReady),
			rpc.Method(s.server, ServiceName, "ModelReady", s.modelReady),
			rpc.Method(s.server, ServiceName, "ServerMetadata", s.serverMetadata),
			rpc.Method(s.server, ServiceName, "ModelMetadata", s.modelMetadata),
			rpc.Method(s.server, ServiceName, "ModelInfer", s.modelInfer),
			rpc.Method(s.server, ServiceName, "ModelConfig", s.modelConfig),
			rpc.Method(s.server, ServiceName, "ModelStatistics", s.modelStatistics),
			rpc.Method(s.server, ServiceName, "RepositoryIndex", s.repositoryIndex),
			rpc.Method(s.server, ServiceName, "RepositoryModelLoad", s.repositoryModelLoad),
			rpc.Method(s.server, ServiceName, "RepositoryModelUnload", s.repositoryModelUnload),
			rpc.Method(s.server, ServiceName, "SystemSharedMemoryStatus", refuse[inferencepb.SystemSharedMemoryStatusRequest](oip.ErrSharedMemory)),
			rpc.Method(s.server, ServiceName, "SystemSharedMemoryRegister", refuse[inferencepb.SystemSharedMemoryRegisterRequest](oip.ErrSharedMemory)),
			rpc.Method(s.server, ServiceName, "SystemSharedMemoryUnregister", refuse[inferencepb.SystemSharedMemoryUnregisterRequest](oip.ErrSharedMemory)),
			rpc.Method(s.server, ServiceName, "CudaSharedMemoryStatus", refuse[inferencepb.CudaSharedMemoryStatusRequest](oip.ErrSharedMemory)),
			rpc.Method(s.server, ServiceName, "CudaSharedMemoryRegister", refuse[inferencepb.CudaSharedMemoryRegisterRequest](oip.ErrSharedMemory)),
			rpc.Method(s.server, ServiceName, "CudaSharedMemoryUnregister", refuse[inferencepb.CudaSharedMemoryUnregisterRequest](oip.ErrSharedMemory)),
			rpc.Method(s.server, ServiceName, "TraceSetting", s.traceSetting),
			rpc.Method(s.server, ServiceName, "LogSettings", s.logSettings),
		},
		Streams: []grpc.StreamDesc{rpc.Stream(s.server, ServiceName, "ModelStreamInfer", s.modelStreamInfer, streamFailure)},
	}
}
