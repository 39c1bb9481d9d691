package openapi

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/engine"
	"shoal/serving"
	"shoal/tensor"
)

// fakeCore serves models that are never run.
type fakeCore struct {
	models []serving.ModelStatus
	loaded []*fakeVersion
	looked int // calls of Handle
}

type fakeVersion struct {
	model      string
	version    int64
	described  *engine.Description
	signatures []*tensor.Signature
}

// load makes a version available, newest first.
func (f *fakeCore) load(model string, version int64, labels []string, signatures ...*tensor.Signature) {
	v := &fakeVersion{model, version, &engine.Description{Signatures: make(map[string]*tensor.Signature)}, signatures}
	for _, sig := range signatures {
		v.described.Signatures[sig.Name] = sig
	}
	f.loaded = append(f.loaded, v)
	i := slices.IndexFunc(f.models, func(m serving.ModelStatus) bool { return m.Name == model })
	if i < 0 {
		i = len(f.models)
		f.models = append(f.models, serving.ModelStatus{Name: model, Configured: true})
	}
	f.models[i].Versions = slices.Insert(f.models[i].Versions, 0, serving.VersionStatus{Version: version, State: serving.Available, Labels: labels})
}

// reload puts another servable in the place of a version.
func (f *fakeCore) reload(model string, version int64, signatures ...*tensor.Signature) {
	f.loaded = slices.DeleteFunc(f.loaded, func(v *fakeVersion) bool { return v.model == model && v.version == version })
	models := f.models
	f.load(model, version, nil, signatures...)
	f.models = models
}

func (f *fakeCore) Handle(spec serving.ModelSpec) (*serving.Handle, error) {
	f.looked++
	for _, v := range f.loaded {
		if v.model == spec.Model && *spec.Version == v.version {
			return serving.NewHandle(v, v.model, v.version, nil), nil
		}
	}
	return nil, status.Error(codes.NotFound, "it went meanwhile")
}

func (f *fakeCore) Models() []serving.ModelStatus { return f.models }

func (f *fakeCore) Status(string, *int64) ([]serving.VersionStatus, error) {
	return nil, status.Error(codes.Unimplemented, "not in this test")
}

func (f *fakeCore) Ready() (bool, []string) { return true, nil }

func (v *fakeVersion) Describe() *engine.Description { return v.described }

func (v *fakeVersion) Close() {}

func (v *fakeVersion) Signature(name string) (*tensor.Signature, bool) {
	i := slices.IndexFunc(v.signatures, func(s *tensor.Signature) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return v.signatures[i], true
}

func (v *fakeVersion) Run(context.Context, batcher.Entry) (*batcher.Answer, error) {
	return nil, status.Error(codes.Unimplemented, "not in this test")
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
