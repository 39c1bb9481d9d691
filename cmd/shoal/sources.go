package main

import (
	"context"
	"log/slog"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"shoal/configs"
	"shoal/configs/configfile"
	"shoal/engine"
	"shoal/engine/tensorflow/savedmodel"
	"shoal/serving/source"
)

// newSources are the sources of models with this layout, by the schemes of base paths. log may be nil.
func newSources(models engine.Layout, log *slog.Logger) source.ByScheme {
	disk := &source.FileSystem{Layout: models, Logger: log}
	return source.ByScheme{"": disk, "file": disk}
}

// sourceFaults names the base paths that there is no source for.
func sourceFaults(read configfile.Models) (faults configs.Faults) {
	sources := newSources(savedmodel.Layout{}, nil)
	for _, m := range read.Configs {
		if _, err := sources.For(m.BasePath); err != nil {
			faults.Addf("model %q: base_path %q: %v", m.Name, m.BasePath, plain(err))
		}
	}
	return faults
}

// fetchNewest fetches the newest version at location, which is a model's base path or a version's directory. model is the name of the
// model that it belongs to.
func fetchNewest(ctx context.Context, location string) (dir, model string, release func(), err error) {
	location = strings.TrimPrefix(location, "file://")
	local := source.Scheme(location) == ""
	full := location
	if local {
		location = filepath.Clean(location)
		if full, err = filepath.Abs(location); err != nil {
			full = location
		}
	}
	if model = path.Base(full); isNumber(model) {
		model = path.Base(path.Dir(full))
	}
	sources := newSources(savedmodel.Layout{}, nil)
	versions, err := sources.Versions(ctx, location)
	switch {
	case len(versions) > 0:
		newest := slices.Max(slices.Collect(maps.Keys(versions)))
		dir, release, err = sources.Fetch(ctx, source.Version{Number: newest, Location: versions[newest]})
		return dir, model, release, err
	case local:
		return location, model, func() {}, nil // a version's directory; what is wrong with it is said when it is read
	}
	return "", "", nil, err
}

func isNumber(name string) bool {
	_, err := strconv.ParseInt(name, 10, 64)
	return err == nil
}
