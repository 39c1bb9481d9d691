package openapi

import (
	"maps"
	"slices"
	"weak"

	"shoal/engine"
	"shoal/serving"
	"shoal/tensor"
)

// served is a model with an available version.
type served struct {
	model    string
	versions []servedVersion // newest first
}

// servedVersion is an available version. Its signatures belong to what is loaded; they stay readable when it is unloaded.
type servedVersion struct {
	number     int64
	labels     []string
	signatures []*tensor.Signature // serving_default first
	// loaded tells the version apart from one of the same number that is loaded later, and keeps nothing of it.
	loaded weak.Pointer[engine.Description]
}

func (s served) equal(o served) bool {
	return s.model == o.model && slices.EqualFunc(s.versions, o.versions, servedVersion.equal)
}

func (v servedVersion) equal(o servedVersion) bool {
	return v.number == o.number && v.loaded == o.loaded && slices.Equal(v.labels, o.labels)
}

// snapshot finds what is served now, by name; only this model where one is named.
func snapshot(core serving.Core, model string) (list []served) {
	for _, m := range core.Models() {
		if model != "" && m.Name != model {
			continue
		}
		s := served{model: m.Name}
		for _, v := range m.Versions {
			if v.State == serving.Available {
				s.add(core, v)
			}
		}
		if len(s.versions) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// add pins the version while it is read.
func (s *served) add(core serving.Core, v serving.VersionStatus) {
	h, err := core.Handle(serving.ModelSpec{Model: s.model, Version: &v.Version})
	if err != nil {
		return // it went meanwhile
	}
	defer h.Release()
	sv := servedVersion{number: v.Version, labels: slices.Sorted(slices.Values(v.Labels)), loaded: weak.Make(h.Describe())}
	signatures := h.Describe().Signatures
	names := slices.Sorted(maps.Keys(signatures))
	if i := slices.Index(names, defaultSignature); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, defaultSignature)
	}
	for _, name := range names {
		sv.signatures = append(sv.signatures, signatures[name])
	}
	s.versions = append(s.versions, sv)
}
