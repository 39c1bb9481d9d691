package openapi

import (
	"slices"

	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// fakeCore serves models that are never run.
type fakeCore struct {
	servingtest.Core[*servingtest.Model]
	looked int // calls of Handle
}

// load makes a version available, newest first.
func (f *fakeCore) load(model string, version int64, labels []string, signatures ...*tensor.Signature) {
	f.put(model, version, signatures...)
	i := slices.IndexFunc(f.Statuses, func(m serving.ModelStatus) bool { return m.Name == model })
	if i < 0 {
		i = len(f.Statuses)
		f.Statuses = append(f.Statuses, serving.ModelStatus{Name: model, Configured: true})
	}
	f.Statuses[i].Versions = slices.Insert(f.Statuses[i].Versions, 0, serving.VersionStatus{Version: version, State: serving.Available, Labels: labels})
}

// put puts a servable in the place of a version.
func (f *fakeCore) put(model string, version int64, signatures ...*tensor.Signature) {
	m := &servingtest.Model{Signatures: make(map[string]*tensor.Signature)}
	for _, sig := range signatures {
		m.Signatures[sig.Name] = sig
	}
	if f.Loaded == nil {
		f.Loaded = make(map[string]map[int64]*servingtest.Model)
	}
	if f.Loaded[model] == nil {
		f.Loaded[model] = make(map[int64]*servingtest.Model)
	}
	f.Loaded[model][version] = m
}

func (f *fakeCore) Handle(spec serving.ModelSpec) (*serving.Handle, error) {
	f.looked++
	return f.Core.Handle(spec)
}

func floats(name string, dims ...int64) tensor.Spec {
	return tensor.Spec{Name: name, DType: tensor.Float32, Shape: dims}
}

func texts(name string, dims ...int64) tensor.Spec {
	return tensor.Spec{Name: name, DType: tensor.String, Shape: dims}
}

// signature takes inputs and gives one output, y.
func signature(name string, inputs ...tensor.Spec) *tensor.Signature {
	return &tensor.Signature{Name: name, Method: "tensorflow/serving/predict", Inputs: inputs, Outputs: []tensor.Spec{floats("y", -1)}}
}
