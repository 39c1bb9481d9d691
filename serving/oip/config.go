package oip

import (
	"fmt"
	"strings"

	"shoal/serving"
	"shoal/tensor"
)

// Config describes a model as Triton's clients want it: how it is batched, and on what it runs. Its JSON has the names of Triton's
// ModelConfig.
type Config struct {
	Name                 string               `json:"name"`
	Platform             string               `json:"platform"`
	Backend              string               `json:"backend"`
	VersionPolicy        *VersionPolicy       `json:"version_policy,omitempty"`
	MaxBatchSize         int                  `json:"max_batch_size"` // 0: requests do not share batches
	Input                []ConfigInput        `json:"input"`
	Output               []ConfigOutput       `json:"output"`
	InstanceGroup        []InstanceGroup      `json:"instance_group"`
	DefaultModelFilename string               `json:"default_model_filename"`
	DynamicBatching      *DynamicBatching     `json:"dynamic_batching,omitempty"` // nil: requests do not share batches
	Parameters           map[string]Parameter `json:"parameters"`
	TransactionPolicy    TransactionPolicy    `json:"model_transaction_policy"`
	ResponseCache        *ResponseCache       `json:"response_cache,omitempty"`
}

// VersionPolicy has one field that is not nil.
type VersionPolicy struct {
	Latest   *LatestVersions   `json:"latest,omitempty"`
	All      *struct{}         `json:"all,omitempty"`
	Specific *SpecificVersions `json:"specific,omitempty"`
}

// LatestVersions are the newest ones.
type LatestVersions struct {
	NumVersions int `json:"num_versions"`
}

// SpecificVersions are those that are listed.
type SpecificVersions struct {
	Versions []int64 `json:"versions"`
}

// ConfigInput describes an input. Dims is without the batch dimension where MaxBatchSize is above 0.
type ConfigInput struct {
	Name     string  `json:"name"`
	DataType string  `json:"data_type"` // TYPE_FP32
	Dims     []int64 `json:"dims"`
	Optional bool    `json:"optional,omitempty"` // the model has a default for it
}

// ConfigOutput describes an output, likewise.
type ConfigOutput struct {
	Name     string  `json:"name"`
	DataType string  `json:"data_type"`
	Dims     []int64 `json:"dims"`
}

// InstanceGroup are the instances on one device.
type InstanceGroup struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // KIND_CPU or KIND_GPU
	Count int    `json:"count"`
	GPUs  []int  `json:"gpus,omitempty"`
}

// DynamicBatching says that requests share batches.
type DynamicBatching struct {
	PreferredBatchSize        []int `json:"preferred_batch_size,omitempty"` // the sizes that batches are padded to; none: any
	MaxQueueDelayMicroseconds int64 `json:"max_queue_delay_microseconds"`
}

// Parameter is a value for people.
type Parameter struct {
	StringValue string `json:"string_value"`
}

// TransactionPolicy says whether a request may have several answers: never.
type TransactionPolicy struct {
	Decoupled bool `json:"decoupled"`
}

// ResponseCache says whether answers may come from a cache.
type ResponseCache struct {
	Enable bool `json:"enable"`
}

// Configuration describes the pinned version by its default signature.
func Configuration(core serving.Core, h *serving.Handle) (Config, error) {
	sig, err := defaultSignature(h)
	if err != nil {
		return Config{}, err
	}
	c := Config{
		Name: h.Model, Platform: tensorflowPlatform, Backend: tensorflowBackend, DefaultModelFilename: "saved_model.pb",
		Parameters: map[string]Parameter{signaturesProperty: {strings.Join(Signatures(h), ",")}},
	}
	for _, m := range core.Models() {
		if m.Name == h.Model {
			c.VersionPolicy = versionPolicy(&m.Policy)
			if c.Platform = platform(m.Platform); c.Platform != tensorflowPlatform {
				c.Backend, c.DefaultModelFilename = m.Platform, ""
			}
		}
	}
	c.setBatching(serving.ReportOf(h.Servable), sig)
	for i := range sig.Inputs {
		s := &sig.Inputs[i]
		c.Input = append(c.Input, ConfigInput{s.Name, configType(s.DType), c.dims(s), s.Default != nil})
	}
	for i := range sig.Outputs {
		s := &sig.Outputs[i]
		c.Output = append(c.Output, ConfigOutput{s.Name, configType(s.DType), c.dims(s)})
	}
	c.setInstances(h)
	return c, nil
}

func versionPolicy(p *serving.VersionPolicy) *VersionPolicy {
	switch {
	case p.All:
		return &VersionPolicy{All: &struct{}{}}
	case len(p.Specific) > 0:
		return &VersionPolicy{Specific: &SpecificVersions{p.Specific}}
	}
	return &VersionPolicy{Latest: &LatestVersions{max(p.Latest, 1)}}
}

// setBatching reads whether requests of the signature share batches now. A signature whose tensors do not all begin with a dimension of any
// size is not described as batched, whatever the batcher finds: clients would cut off a dimension that they must send.
func (c *Config) setBatching(r *serving.Report, sig *tensor.Signature) {
	if r == nil || !rowwise(sig.Inputs) || !rowwise(sig.Outputs) {
		return
	}
	for _, s := range r.Batching {
		if s.Signature == sig.Name && s.Batched {
			c.MaxBatchSize = r.MaxBatchSize
			c.DynamicBatching = &DynamicBatching{r.AllowedBatchSizes, r.BatchTimeout.Microseconds()}
		}
	}
}

func rowwise(specs []tensor.Spec) bool {
	for i := range specs {
		if s := &specs[i]; s.UnknownRank || len(s.Shape) == 0 || s.Shape[0] != -1 {
			return false
		}
	}
	return true
}

func (c *Config) dims(s *tensor.Spec) []int64 {
	if c.MaxBatchSize > 0 {
		return dims(s)[1:]
	}
	return dims(s)
}

func (c *Config) setInstances(h *serving.Handle) {
	c.InstanceGroup = []InstanceGroup{}
	for i, use := range h.Devices() {
		g := InstanceGroup{Name: fmt.Sprintf("%s_%d", h.Model, i), Kind: "KIND_CPU", Count: use.Instances}
		if use.GPU {
			g.Kind, g.GPUs = "KIND_GPU", []int{use.Index}
		}
		c.InstanceGroup = append(c.InstanceGroup, g)
	}
	if stats, ok := h.Stats(); ok && len(c.InstanceGroup) == 0 {
		c.InstanceGroup = append(c.InstanceGroup, InstanceGroup{Name: h.Model + "_0", Kind: "KIND_CPU", Count: stats.Instances})
	}
}
