package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
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
	"shoal/serving/source/archive"
	"shoal/serving/source/cache"
)

// newSources are the sources of models with this layout, by the schemes of base paths. log may be nil.
func newSources(cfg *configs.ModelOptions, models engine.Layout, log *slog.Logger) source.ByScheme {
	archives := archive.New(archive.Options{
		Cache:       cache.New(cacheDir(cfg), cfg.CacheBytes),
		Directories: &source.FileSystem{Layout: models, Logger: log},
		Logger:      log,
	})
	return source.ByScheme{"": archives, "file": archives, "http": archives, "https": archives}
}

// cacheDir is --model_cache_dir, or "" where the system says nothing of a directory for caches.
func cacheDir(cfg *configs.ModelOptions) string {
	if cfg.CacheDir != "" {
		return cfg.CacheDir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "shoal", "models")
}

// sourceFaults names the base paths that there is no source for.
func sourceFaults(read configfile.Models) (faults configs.Faults) {
	sources := newSources(&configs.ModelOptions{}, savedmodel.Layout{}, nil)
	for _, m := range read.Configs {
		if _, err := sources.For(m.BasePath); err != nil {
			faults.Addf("model %q: base_path %q: %v", m.Name, m.BasePath, plain(err))
		}
	}
	return faults
}

// fetchNewest fetches the newest version at location, which is a model's base path or a version's directory. model is the name of the
// model that it belongs to.
func fetchNewest(ctx context.Context, cfg *configs.ModelOptions, location string) (dir, model string, release func(), err error) {
	location = strings.TrimPrefix(location, "file://")
	local := source.Scheme(location) == ""
	full := location
	if local {
		location = filepath.Clean(location)
		if full, err = filepath.Abs(location); err != nil {
			full = location
		}
	}
	if model = archive.Name(full); isNumber(model) {
		model = path.Base(path.Dir(full))
	}
	sources := newSources(cfg, savedmodel.Layout{}, nil)
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
