package tensorflow

import (
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/tensor"
)

// AnswerFor lets the instances of m that are made from now on run batches of primary's signatures, too: m is the same SavedModel
// on another device, and one batcher knows the signatures of one of them.
func (m *Model) AnswerFor(primary *Model) { m.primary = primary }

// known is the signature under which batches come.
func (m *Model) known(sig *tensor.Signature) *tensor.Signature {
	if m.primary != nil && m.primary.Signatures[sig.Name] != nil {
		return m.primary.Signatures[sig.Name]
	}
	return sig
}

func (m *Model) onGPU() bool { return strings.Contains(m.device, "GPU:") }

// Placement is where the ops of a run were executed. Copies between devices and what only passes values on are not counted.
type Placement struct {
	Device    string
	Ops       int            // on the device
	Elsewhere map[string]int // by op: those that fell back to another device
}

// Placement runs the batch and looks where its ops ran. An op that has no kernel for the device, as lookups of strings have none for
// a GPU, falls back to the CPU without a word.
func (in *Instance) Placement(b *tensor.Batch) (Placement, error) {
	p := Placement{Device: in.model.device, Elsewhere: make(map[string]int)}
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
			case strings.HasSuffix(d.Device, p.Device):
				p.Ops++
			default:
				p.Elsewhere[op]++
			}
		}
	}
	return p, nil
}
