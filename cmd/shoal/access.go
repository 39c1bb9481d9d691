package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/manager"
	"shoal/serving/predictionlog"
	"shoal/serving/source/archive"
)

// keysPoll is how often --api_key_file is looked at.
const keysPoll = time.Second

// watchKeys keeps the keys as their file has them. A file that cannot be read, or is wrong, leaves the keys as they were.
func (a *app) watchKeys(background context.Context, parts *sync.WaitGroup) {
	if a.files.keys == nil {
		return
	}
	file := &manager.ConfigFile{
		Read:   func() ([]byte, error) { return readKeys(a.cfg) },
		Set:    func(_ context.Context, content []byte) error { return a.files.keys.Set(content) },
		Every:  keysPoll,
		Logger: a.log.With(slog.String("file", a.cfg.Access.KeyFile)),
	}
	parts.Go(func() {
		defer a.left.begin("reading " + a.cfg.Access.KeyFile)()
		file.Watch(background)
	})
}

// allowed says whether a configuration that came by a call names nothing outside --allowed_model_roots. A model that is
// exactly as the operator's own configuration has it may stay, wherever it lies: a call names all models, so that without
// it none could be made beside such a model.
func (a *app) allowed(models modelSet) error {
	roots := access.Roots(a.cfg.Access.Roots)
	refuse := func(m serving.ModelConfig, what, path string) error {
		return status.Errorf(codes.PermissionDenied, "model %s: %s %s is outside --allowed_model_roots", m.Name, what, path)
	}
	own := a.own.Load()
	for _, m := range models.configs {
		logging := models.logging[m.Name]
		if own != nil && unchanged(own, m, models) {
			continue
		}
		if !roots.Allow(archive.Place(m.BasePath)) {
			return refuse(m, "base_path", m.BasePath)
		}
		if logging == nil {
			continue
		}
		if prefix := logging.GetLogCollectorConfig().GetFilenamePrefix(); !roots.Allow(predictionlog.Directory(prefix)) {
			return refuse(m, "filename_prefix", prefix)
		}
	}
	return nil
}

// unchanged says whether a model is in the operator's configuration with the same path, policy, labels and request log.
func unchanged(own *modelSet, m serving.ModelConfig, models modelSet) bool {
	i := slices.IndexFunc(own.configs, func(c serving.ModelConfig) bool { return c.Name == m.Name })
	if i < 0 {
		return false
	}
	c := own.configs[i]
	return c.BasePath == m.BasePath && c.Policy.String() == m.Policy.String() && maps.Equal(c.Labels, m.Labels) &&
		proto.Equal(own.logging[m.Name], models.logging[m.Name])
}
