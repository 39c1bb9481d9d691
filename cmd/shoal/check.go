package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shoal/configs"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/source"
)

// checkModels looks at what the configuration points to: base paths, versions, and whether the versions that would be served
// are models that the engine can load. It finds what can be known without loading.
func checkModels(ctx context.Context, models []serving.ModelConfig, found source.Source, e engine.Engine) (faults configs.Faults) {
	for _, m := range models {
		fault := func(format string, args ...any) {
			faults = append(faults, "model "+m.Name+fmt.Sprintf(format, args...))
		}
		locations, err := found.Versions(ctx, m.BasePath)
		if err != nil {
			fault(": base_path: %v", plain(err))
			continue
		}
		versions := slices.Sorted(maps.Keys(locations))
		slices.Reverse(versions)
		if len(versions) == 0 {
			fault(": no version under %s: a version is a directory named by a number", m.BasePath)
			continue
		}
		for _, v := range m.Policy.Absent(versions) {
			fault(": version %d of model_version_policy is not under %s", v, m.BasePath)
		}
		served := m.Policy.Choose(versions, func(int64) bool { return true })
		for label, v := range m.Labels {
			if !slices.Contains(served, v) {
				fault(": label %s names version %d, which is not served", label, v)
			}
		}
		for _, v := range served {
			if err := checkVersion(ctx, source.Version{Number: v, Location: locations[v]}, found, e); err != nil {
				fault(", version %d: %v", v, plain(err))
			}
		}
	}
	slices.Sort(faults)
	return faults
}

// withRepositories adds the models of --model_repository that would be served to those of the configuration.
func withRepositories(ctx context.Context, cfg *configs.Server, models []serving.ModelConfig, found source.Lister) (all []serving.ModelConfig, faults configs.Faults) {
	all = slices.Clone(models)
	for _, root := range cfg.Models.Repositories {
		listed, err := found.Models(ctx, root)
		if err != nil {
			faults.Addf("--model_repository: %v", plain(err))
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(listed)) {
			if !slices.ContainsFunc(all, func(c serving.ModelConfig) bool { return c.Name == name }) {
				all = append(all, serving.ModelConfig{Name: name, BasePath: listed[name]})
			}
		}
	}
	return all, faults
}

func checkVersion(ctx context.Context, v source.Version, found source.Source, e engine.Engine) error {
	dir, release, err := found.Fetch(ctx, v)
	if err != nil {
		return err
	}
	defer release()
	return e.Check(dir)
}
