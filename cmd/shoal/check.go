package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"shoal/configs"
	"shoal/savedmodel"
	"shoal/serving"
)

// checkModels looks at what the configuration points to: base paths, versions, and whether the versions that would be served
// have the meta graph asked for. It finds what can be known without loading.
func checkModels(models []serving.ModelConfig, tags []string) (faults configs.Faults) {
	for _, m := range models {
		versions, err := versionsIn(m.BasePath)
		switch {
		case err != nil:
			faults = append(faults, "model "+m.Name+": base_path: "+err.Error())
			continue
		case len(versions) == 0:
			faults = append(faults, "model "+m.Name+": no version under "+m.BasePath+": a version is a directory named by a number")
			continue
		}
		for _, v := range m.Policy.Specific {
			if !slices.Contains(versions, v) {
				faults = append(faults, "model "+m.Name+": version "+strconv.FormatInt(v, 10)+" of model_version_policy is not under "+m.BasePath)
			}
		}
		served := versions
		switch {
		case len(m.Policy.Specific) > 0:
			served = slices.DeleteFunc(slices.Clone(versions), func(v int64) bool { return !slices.Contains(m.Policy.Specific, v) })
		case !m.Policy.All:
			served = versions[max(0, len(versions)-max(m.Policy.Latest, 1)):]
		}
		for label, v := range m.Labels {
			if !slices.Contains(served, v) {
				faults = append(faults, "model "+m.Name+": label "+label+" names version "+strconv.FormatInt(v, 10)+", which is not served")
			}
		}
		for _, v := range served {
			if _, err := savedmodel.ReadMetaGraph(filepath.Join(m.BasePath, strconv.FormatInt(v, 10)), tags); err != nil {
				faults = append(faults, "model "+m.Name+", version "+strconv.FormatInt(v, 10)+": "+plain(err).Error())
			}
		}
	}
	slices.Sort(faults)
	return faults
}

// versionsIn lists the version directories, ascending.
func versionsIn(base string) ([]int64, error) {
	entries, err := os.ReadDir(base)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			return nil, pe
		}
		return nil, err
	}
	var versions []int64
	for _, e := range entries {
		if v, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && v >= 0 {
			if info, err := os.Stat(filepath.Join(base, e.Name())); err == nil && info.IsDir() {
				versions = append(versions, v)
			}
		}
	}
	slices.Sort(versions)
	return versions, nil
}
