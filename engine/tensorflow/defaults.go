package tensorflow

import (
	"log/slog"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/tensor"
	"shoal/tensor/proto"
)

// maxDefaults bounds the default values of one signature, in bytes: a few bytes of a model can ask for a tensor of any size.
const maxDefaults = 256 << 20

// addDefaults puts the model's default values of inputs into the signatures. An input whose default cannot be used has none.
func addDefaults(meta *pb.MetaGraphDef, signatures map[string]*tensor.Signature, log *slog.Logger) {
	for name, sig := range signatures {
		decoder := proto.Decoder{Arena: tensor.NewArena(), Left: maxDefaults} // never freed: the values stay with the signature
		for alias, value := range meta.GetSignatureDef()[name].GetDefaults() {
			i := sig.Input(alias)
			if i < 0 {
				continue
			}
			t, err := decoder.Message(value)
			if err != nil {
				log.Warn("the default value of an input cannot be used: clients must send the input", "signature", name, "input", alias, "error", err)
				continue
			}
			sig.Inputs[i].Default = &t
		}
	}
}
