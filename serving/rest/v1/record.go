package v1

import (
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// record logs the request if it is in the sample of the model's request log. It calls entry, which makes the record, only then.
func (c *call) record(signature string, entry func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog) {
	log := c.api.opt.Logs.For(c.Handle.Model)
	if !log.Sampled() {
		return
	}
	asked := &apis_go_proto.ModelSpec{Name: c.Handle.Model, SignatureName: signature}
	switch {
	case c.target.hasVersion:
		asked.VersionChoice = &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(c.target.version)}
	case len(c.target.label) > 0:
		asked.VersionChoice = &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: string(c.target.label)}
	}
	log.Write(entry(asked))
}
