package tensorflow

import (
	"cmp"
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/engine"
	"shoal/tensor"
)

// known returns the signature with which batches come.
func (m *Model) known(sig *tensor.Signature) *tensor.Signature {
	return cmp.Or(m.answers[sig.Name], sig)
}

func (m *Model) onGPU() bool { return strings.Contains(m.device, "GPU:") }

// Placement implements engine.Placer. An op without a kernel for the device (such as a lookup of strings on a GPU) runs on the
// CPU, and TensorFlow does not report it.
func (in *Instance) Placement(b *tensor.Batch) (engine.Placement, error) {
	p := engine.Placement{Elsewhere: make(map[string]int)}
	o := &pb.RunOptions{TraceLevel: pb.RunOptions_SOFTWARE_TRACE}
	if !in.model.onGPU() {
		o.InterOpThreadPool = -1
	}
	meta, err := in.record(b, o)
	if err != nil {
		return p, err
	}
	for _, d := range meta.GetStepStats().GetDevStats() {
		for _, n := range d.NodeStats {
			_, op, _ := strings.Cut(n.TimelineLabel, " = ") // "node = Op(inputs)"
			op, _, _ = strings.Cut(op, "(")
			switch {
			case op == "" || strings.HasPrefix(op, "_") || op == "NoOp" || op == "Const":
			case strings.HasSuffix(d.Device, in.model.device):
				p.Ops++
			default:
				p.Elsewhere[op]++
			}
		}
	}
	return p, nil
}
