package oip

import (
	"strconv"

	"shoal/serving"
)

// ModelStatistics is what one version has done. Times add up over all that are counted.
type ModelStatistics struct {
	Name           string              `json:"name"`
	Version        string              `json:"version"`
	LastInference  uint64              `json:"last_inference"`  // milliseconds since 1970; 0: none yet
	InferenceCount uint64              `json:"inference_count"` // rows
	ExecutionCount uint64              `json:"execution_count"` // batches
	Inference      InferenceStatistics `json:"inference_stats"`
	Response       map[string]struct{} `json:"response_stats"` // of models with several answers for one request: there are none
	Batches        []BatchStatistics   `json:"batch_stats"`
	Memory         []MemoryUsage       `json:"memory_usage"`
}

// InferenceStatistics are the phases of requests.
type InferenceStatistics struct {
	Success       Duration `json:"success"`
	Fail          Duration `json:"fail"`
	Queue         Duration `json:"queue"`
	ComputeInput  Duration `json:"compute_input"`  // the request is decoded into tensors
	ComputeInfer  Duration `json:"compute_infer"`  // its batch is gathered and run
	ComputeOutput Duration `json:"compute_output"` // the answer is encoded
	CacheHit      Duration `json:"cache_hit"`
	CacheMiss     Duration `json:"cache_miss"`
}

// BatchStatistics is of the batches with this number of rows. Gathering the inputs is part of ComputeInfer.
type BatchStatistics struct {
	BatchSize     uint64   `json:"batch_size"`
	ComputeInput  Duration `json:"compute_input"`
	ComputeInfer  Duration `json:"compute_infer"`
	ComputeOutput Duration `json:"compute_output"`
}

// Duration is how many, and how long all of them took together.
type Duration struct {
	Count uint64 `json:"count"`
	Ns    uint64 `json:"ns"`
}

// MemoryUsage is memory that a version holds.
type MemoryUsage struct {
	Type     string `json:"type"` // CPU, CPU_PINNED or GPU
	ID       int64  `json:"id"`
	ByteSize uint64 `json:"byte_size"`
}

// Counted reads what a version has done: telemetry.Telemetry.Statistics.
type Counted func(model string, version int64) serving.Statistics

// Statistics tells what the available versions have done: of all models (""), of a model's versions (""), or of one version. It is
// an error if there is no such version.
func Statistics(core serving.Core, counted Counted, model, version string) ([]ModelStatistics, error) {
	all := []ModelStatistics{}
	add := func(model string, number int64, r *serving.Report) {
		var s serving.Statistics
		if counted != nil {
			s = counted(model, number)
		}
		all = append(all, statistics(model, number, &s, r))
	}
	if version != "" {
		spec, err := ModelSpec(model, version, "")
		if err != nil {
			return nil, err
		}
		h, err := Handle(core, spec)
		if err != nil {
			return nil, err
		}
		defer h.Release()
		add(h.Model, h.Version, serving.ReportOf(h.Servable))
		return all, nil
	}
	for _, m := range core.Models() {
		if model != "" && m.Name != model {
			continue
		}
		for i := len(m.Versions) - 1; i >= 0; i-- {
			if v := &m.Versions[i]; v.State == serving.Available {
				add(m.Name, v.Version, v.Report)
			}
		}
	}
	if model != "" && len(all) == 0 {
		h, err := Handle(core, serving.ModelSpec{Model: model})
		h.Release()
		return nil, err
	}
	return all, nil
}

func statistics(model string, version int64, s *serving.Statistics, r *serving.Report) ModelStatistics {
	m := ModelStatistics{
		Name: model, Version: strconv.FormatInt(version, 10), InferenceCount: s.Rows, ExecutionCount: s.Batches,
		Inference: InferenceStatistics{
			Success: duration(s.Answered), Fail: duration(s.Failed), Queue: duration(s.Queue),
			ComputeInput: duration(s.Decode), ComputeInfer: duration(s.Run), ComputeOutput: duration(s.Encode),
		},
		Response: map[string]struct{}{}, Batches: []BatchStatistics{}, Memory: []MemoryUsage{},
	}
	if !s.Last.IsZero() {
		m.LastInference = uint64(s.Last.UnixMilli())
	}
	for _, size := range s.Sizes {
		n := Duration{Count: size.Run.Count}
		m.Batches = append(m.Batches, BatchStatistics{BatchSize: uint64(size.Rows), ComputeInput: n, ComputeInfer: duration(size.Run), ComputeOutput: n})
	}
	if r != nil && r.Memory > 0 {
		m.Memory = append(m.Memory, MemoryUsage{Type: "CPU", ByteSize: uint64(r.Memory)})
	}
	return m
}

func duration(t serving.Tally) Duration { return Duration{t.Count, uint64(t.Time)} }
