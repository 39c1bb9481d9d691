package serving

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// Handle pins a version: it is not unloaded before Release. Hold it briefly.
type Handle struct {
	Servable
	Model    string
	Version  int64
	release  func()
	released atomic.Bool
}

// NewHandle makes a handle; release is called once.
func NewHandle(s Servable, model string, version int64, release func()) *Handle {
	return &Handle{Servable: s, Model: model, Version: version, release: release}
}

// Missing is the reason for which a signature that the model has is not served; "" where the model has none with this key.
func (h *Handle) Missing(key string) string {
	def := h.MetaGraph().GetSignatureDef()[key]
	for _, side := range []struct {
		name    string
		tensors map[string]*for_core_protos_go_proto.TensorInfo
	}{{"input", def.GetInputs()}, {"output", def.GetOutputs()}} {
		for _, name := range slices.Sorted(maps.Keys(side.tensors)) {
			if kind := structure(side.tensors[name]); kind != "" {
				return fmt.Sprintf("Serving signature %q cannot be served: its %s %q is %s; only dense tensors are supported", key, side.name, name, kind)
			}
		}
	}
	return ""
}

// structure names what consists of several tensors; "" for a single one.
func structure(info *for_core_protos_go_proto.TensorInfo) string {
	switch {
	case info.GetCooSparse() != nil:
		return "a sparse tensor"
	case info.GetCompositeTensor() != nil:
		class := info.GetCompositeTensor().GetTypeSpec().GetTypeSpecClass()
		if name, ok := strings.CutSuffix(class.String(), "_TENSOR_SPEC"); ok {
			return "a " + strings.ToLower(name) + " tensor"
		}
		return "a composite tensor"
	case info.GetName() == "":
		return "no tensor of the graph"
	}
	return ""
}

// Release gives the version free. Calling it again does nothing.
func (h *Handle) Release() {
	if h != nil && h.released.CompareAndSwap(false, true) && h.release != nil {
		h.release()
	}
}
