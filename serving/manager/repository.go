package manager

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/source"
)

// Repository keeps the models of some directories served: those that are found, or those that were asked for. A model of the
// configuration with the same name has precedence.
type Repository struct {
	Manager  *Manager
	Lister   source.Lister
	Roots    []string      // of two models with one name, that of the earlier root is taken
	Platform string        // of all models
	Explicit bool          // serve only the models that Load named
	Every    time.Duration // between two listings; 0 or less: only at the start, and when Load asks for a model
	Logger   *slog.Logger  // nil: silent

	mu       sync.Mutex
	found    []map[string]string // of each root, by its last listing that succeeded; base paths by name
	problems []string            // of each root, as they were logged
	applied  bool                // something was served, or nothing was found
	loaded   map[string]bool     // by Load
	unloaded map[string]bool     // by Unload
	hidden   map[string]bool     // logged: a model of the configuration has the name
}

var _ serving.Repository = (*Repository)(nil)

// Look lists the roots and serves what is to be served. The error is that of the first root that could not be listed; what was found there
// before stays.
func (r *Repository) Look(ctx context.Context) error {
	listed := make([]map[string]string, len(r.Roots))
	errs := make([]error, len(r.Roots))
	var roots sync.WaitGroup
	for i, root := range r.Roots { // one that does not answer holds up no other
		roots.Go(func() { listed[i], errs[i] = r.Lister.Models(ctx, root) })
	}
	roots.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == nil {
		r.found, r.problems = make([]map[string]string, len(r.Roots)), make([]string, len(r.Roots))
	}
	var first error
	for i, err := range errs {
		if err == nil {
			r.found[i] = listed[i]
		} else if first == nil {
			first = err
		}
		r.sayProblem(i, err)
	}
	if err := r.apply(ctx); err != nil {
		return err
	}
	return first
}

// Watch looks again and again until ctx ends.
func (r *Repository) Watch(ctx context.Context) {
	every(ctx, r.Every, func() { _ = r.Look(ctx) }) // errors are logged
}

// Load implements serving.Repository.
func (r *Repository) Load(ctx context.Context, model string) error {
	if !r.Manager.claims(model, ofConfiguration) {
		if err := r.Look(ctx); err != nil && !r.has(model) {
			return err
		}
		if err := r.want(ctx, model); err != nil {
			return err
		}
	}
	r.Manager.look()
	if err := r.Manager.waitSettled(ctx, []string{model}); err != nil {
		return err
	}
	return r.Manager.unavailable([]string{model})
}

func (r *Repository) has(model string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, found := r.all()[model]
	return found
}

func (r *Repository) want(ctx context.Context, model string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, found := r.all()[model]; !found {
		return status.Errorf(codes.NotFound, "model %s is not in a model repository (--model_repository)", model)
	}
	if r.loaded == nil {
		r.loaded = make(map[string]bool)
	}
	r.loaded[model] = true
	delete(r.unloaded, model)
	return r.apply(ctx)
}

// Unload implements serving.Repository.
func (r *Repository) Unload(ctx context.Context, model string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.Manager.claims(model, ofConfiguration):
		return status.Errorf(codes.FailedPrecondition, "model %s is in the configuration and not of a model repository: remove it from the configuration", model)
	case !r.Manager.claims(model, ofRepository):
		return status.Errorf(codes.NotFound, "model %s is not served", model)
	}
	if r.unloaded == nil {
		r.unloaded = make(map[string]bool)
	}
	r.unloaded[model] = true
	delete(r.loaded, model)
	return r.apply(ctx)
}

// Found implements serving.Repository.
func (r *Repository) Found() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.all()))
}

// all are the models of all roots: base paths by name. Called with mu held.
func (r *Repository) all() map[string]string {
	all := make(map[string]string)
	for _, found := range slices.Backward(r.found) {
		maps.Copy(all, found)
	}
	return all
}

// apply serves what is to be served. Called with mu held.
func (r *Repository) apply(ctx context.Context) error {
	wanted := make(map[string]string)
	for name, basePath := range r.all() {
		if r.unloaded[name] || r.Explicit && !r.loaded[name] {
			continue
		}
		if r.Manager.claims(name, ofConfiguration) {
			r.sayHidden(name, basePath)
			continue
		}
		wanted[name] = basePath
	}
	if r.applied && maps.Equal(wanted, r.Manager.owned(ofRepository)) {
		return nil
	}
	var models []serving.ModelConfig
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		models = append(models, serving.ModelConfig{Name: name, BasePath: wanted[name], Platform: r.Platform})
	}
	err := r.Manager.set(ctx, models, ofRepository)
	r.applied = r.applied || err == nil
	return err
}

// sayProblem logs why a root cannot be listed, once.
func (r *Repository) sayProblem(i int, err error) {
	problem := ""
	if err != nil {
		problem = describe(err)
	}
	if problem != r.problems[i] && r.Logger != nil {
		if problem == "" {
			r.Logger.Info("model repository is there", slog.String("repository", r.Roots[i]))
		} else {
			r.Logger.Error("model repository cannot be listed, its models stay as they are", slog.String("repository", r.Roots[i]), slog.String("reason", problem))
		}
	}
	r.problems[i] = problem
}

// sayHidden logs, once, that the configuration has a model of this name.
func (r *Repository) sayHidden(model, basePath string) {
	if r.hidden[model] || r.Logger == nil {
		return
	}
	if r.hidden == nil {
		r.hidden = make(map[string]bool)
	}
	r.hidden[model] = true
	r.Logger.Warn("model of the repository not served: another model has its name", slog.String("model", model), slog.String("base_path", source.Shown(basePath)), slog.String("taken", "the configuration"))
}
