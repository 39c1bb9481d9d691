package oiprpc

import (
	"context"

	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
)

func (s *service) modelConfig(_ context.Context, req *inferencepb.ModelConfigRequest) (any, error) {
	h, err := s.pin(req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	defer h.Release()
	c, err := oip.Configuration(s.core, h)
	if err != nil {
		return nil, err
	}
	return &inferencepb.ModelConfigResponse{Config: config(&c)}, nil
}

// config is the configuration as a message.
func config(c *oip.Config) *inferencepb.ModelConfig {
	m := &inferencepb.ModelConfig{
		Name: c.Name, Platform: c.Platform, Backend: c.Backend, MaxBatchSize: int32(c.MaxBatchSize), VersionPolicy: versionPolicy(c.VersionPolicy),
		DefaultModelFilename: c.DefaultModelFilename, Parameters: make(map[string]*inferencepb.ModelParameter),
		ModelTransactionPolicy: &inferencepb.ModelTransactionPolicy{Decoupled: c.TransactionPolicy.Decoupled},
	}
	for _, in := range c.Input {
		m.Input = append(m.Input, &inferencepb.ModelInput{Name: in.Name, DataType: dataType(in.DataType), Dims: in.Dims, Optional: in.Optional})
	}
	for _, out := range c.Output {
		m.Output = append(m.Output, &inferencepb.ModelOutput{Name: out.Name, DataType: dataType(out.DataType), Dims: out.Dims})
	}
	for _, g := range c.InstanceGroup {
		group := &inferencepb.ModelInstanceGroup{
			Name: g.Name, Count: int32(g.Count), Kind: inferencepb.ModelInstanceGroup_Kind(inferencepb.ModelInstanceGroup_Kind_value[g.Kind]),
		}
		for _, gpu := range g.GPUs {
			group.Gpus = append(group.Gpus, int32(gpu))
		}
		m.InstanceGroup = append(m.InstanceGroup, group)
	}
	if b := c.DynamicBatching; b != nil {
		batching := &inferencepb.ModelDynamicBatching{MaxQueueDelayMicroseconds: uint64(b.MaxQueueDelayMicroseconds)}
		for _, size := range b.PreferredBatchSize {
			batching.PreferredBatchSize = append(batching.PreferredBatchSize, int32(size))
		}
		m.SchedulingChoice = &inferencepb.ModelConfig_DynamicBatching{DynamicBatching: batching}
	}
	for key, p := range c.Parameters {
		m.Parameters[key] = &inferencepb.ModelParameter{StringValue: p.StringValue}
	}
	if cache := c.ResponseCache; cache != nil {
		m.ResponseCache = &inferencepb.ModelResponseCache{Enable: cache.Enable}
	}
	return m
}

func dataType(name string) inferencepb.DataType {
	return inferencepb.DataType(inferencepb.DataType_value[name])
}

func versionPolicy(p *oip.VersionPolicy) *inferencepb.ModelVersionPolicy {
	switch {
	case p == nil:
		return nil
	case p.All != nil:
		return &inferencepb.ModelVersionPolicy{PolicyChoice: &inferencepb.ModelVersionPolicy_All_{All: &inferencepb.ModelVersionPolicy_All{}}}
	case p.Specific != nil:
		return &inferencepb.ModelVersionPolicy{PolicyChoice: &inferencepb.ModelVersionPolicy_Specific_{
			Specific: &inferencepb.ModelVersionPolicy_Specific{Versions: p.Specific.Versions},
		}}
	}
	return &inferencepb.ModelVersionPolicy{PolicyChoice: &inferencepb.ModelVersionPolicy_Latest_{
		Latest: &inferencepb.ModelVersionPolicy_Latest{NumVersions: uint32(p.Latest.NumVersions)},
	}}
}
