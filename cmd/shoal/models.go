package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/configs/configfile"
	"shoal/serving"
	"shoal/serving/manager"
)

// loadModels applies the first configuration and starts to poll the configuration file. It fails where the configuration is
// wrong; a model that cannot be loaded is no such thing.
func (a *app) loadModels(ctx, background context.Context, parts *sync.WaitGroup) error {
	if err := a.logs.Set(a.files.models.logging); err != nil {
		return err
	}
	if err := a.firstConfig(ctx, a.files.models.configs); err != nil {
		return err
	}
	a.own.Store(&a.files.models)
	if a.repository != nil {
		_ = a.repository.Look(ctx) // logged, and looked at again
		parts.Go(func() {
			defer a.left.begin("looking for models")()
			a.repository.Watch(background)
		})
	}
	if a.cfg.Models.ConfigFile == "" || a.cfg.Models.ConfigPoll <= 0 {
		return nil
	}
	file := &manager.ConfigFile{
		Read: func() ([]byte, error) { return configfile.ReadModelsFile(a.cfg) },
		Set: func(ctx context.Context, content []byte) error {
			read, err := configfile.ParseModels(a.cfg.Models.ConfigFile, content)
			models, err := checkedModels(read, err, a.cfg.Models.ConfigFile)
			if err != nil {
				return err
			}
			if models.unset {
				return a.refuseUnset()
			}
			if err := a.manager.SetConfig(ctx, models.configs); err != nil {
				return err
			}
			a.own.Store(&models)
			return a.logs.Set(models.logging)
		},
		Every:  a.cfg.Models.ConfigPoll,
		Logger: a.log.With(slog.String("file", a.cfg.Models.ConfigFile)),
	}
	if err := file.Apply(ctx); err != nil { // what it says now is in force; that is noted, or what changed meanwhile applied
		a.log.Error("configuration file not applied, the old configuration stays", slog.String("reason", plain(err).Error()))
	}
	parts.Go(func() {
		defer a.left.begin("reading " + a.cfg.Models.ConfigFile)()
		file.Watch(background)
	})
	return nil
}

// refuseUnset is the error for a file that is empty or holds only comments, which may be one that is being written just now.
// Where nothing is served it changes nothing and is no error, as in TensorFlow Serving.
func (a *app) refuseUnset() error {
	if !slices.ContainsFunc(a.manager.Models(), func(m serving.ModelStatus) bool { return m.Configured }) {
		return nil
	}
	return status.Errorf(codes.FailedPrecondition, "%s is empty or holds only comments; to serve no model, write model_config_list {}", a.cfg.Models.ConfigFile)
}

// firstConfig applies the configuration at start. A label may only name an available version; at start none is available yet,
// so that the labels are given once the models have settled.
func (a *app) firstConfig(ctx context.Context, models []serving.ModelConfig) error {
	labelled := slices.ContainsFunc(models, func(m serving.ModelConfig) bool { return len(m.Labels) > 0 })
	if !labelled || a.cfg.Models.LabelsForUnavailable {
		return a.manager.SetConfig(ctx, models)
	}
	bare := slices.Clone(models)
	for i := range bare {
		bare[i].Labels = nil
	}
	if err := a.manager.SetConfig(ctx, bare); err != nil {
		return err
	}
	if a.waitSettled(ctx); ctx.Err() != nil {
		return nil // told to stop meanwhile
	}
	return a.manager.SetConfig(ctx, models)
}

// reload is HandleReloadConfigRequest.
func (a *app) reload(ctx context.Context, config *config_go_proto.ModelServerConfig) error {
	read, err := configfile.ModelsFromProto(config)
	models, err := checkedModels(read, err, "")
	if err != nil {
		return err
	}
	if err := a.allowed(models); err != nil {
		return err
	}
	a.log.Info("configuration received by gRPC", slog.Int("models", len(models.configs)))
	if err := a.manager.Reload(ctx, models.configs); err != nil {
		return err
	}
	return a.logs.Set(models.logging)
}
