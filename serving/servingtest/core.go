// Package servingtest has what tests of protocols and of their helpers need: a core that serves models by hand, a servable
// that a test scripts, and checks of statuses and tensors.
package servingtest

import (
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// Core is a serving.Core whose models a test decides. Its errors are the manager's. The fields are set before it is used.
type Core[S serving.Servable] struct {
	Loaded   map[string]map[int64]S // by model and version
	Labels   map[string]int64       // of every model
	Statuses []serving.ModelStatus  // what Models and Status tell

	mu                sync.Mutex
	reasons, warnings []string
	pinned            int
}

// Handle pins the newest version, or the one asked for.
func (c *Core[S]) Handle(spec serving.ModelSpec) (*serving.Handle, error) {
	if spec.Label != "" {
		v, ok := c.Labels[spec.Label]
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "Unrecognized servable version label: %s", spec.Label)
		}
		spec.Version = &v
	}
	var version int64
	for v := range c.Loaded[spec.Model] {
		if spec.Version == nil || v == *spec.Version {
			version = max(version, v)
		}
	}
	servable, ok := c.Loaded[spec.Model][version]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Servable not found for request: %s", spec)
	}
	c.pin(1)
	return serving.NewHandle(servable, spec.Model, version, func() { c.pin(-1) }), nil
}

func (c *Core[S]) pin(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinned += n
}

// Pinned is how many handles have not been released.
func (c *Core[S]) Pinned() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinned
}

// Status lists the model's versions in Statuses.
func (c *Core[S]) Status(model string, version *int64) ([]serving.VersionStatus, error) {
	var all []serving.VersionStatus
	for _, m := range c.Statuses {
		if m.Name == model {
			all = append(all, m.Versions...)
		}
	}
	if version != nil {
		all = slices.DeleteFunc(all, func(v serving.VersionStatus) bool { return v.Version != *version })
	}
	switch {
	case len(all) > 0:
		return all, nil
	case version != nil:
		return nil, status.Errorf(codes.NotFound, "Could not find version %d of model %s", *version, model)
	}
	return nil, status.Errorf(codes.NotFound, "Could not find any versions of model %s", model)
}

// Models is Statuses.
func (c *Core[S]) Models() []serving.ModelStatus { return slices.Clone(c.Statuses) }

// Ready is true where there are no reasons.
func (c *Core[S]) Ready() (bool, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.reasons) == 0, slices.Concat(c.reasons, c.warnings)
}

// SetReasons makes it not ready, or ready without any.
func (c *Core[S]) SetReasons(reasons ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons = reasons
}

// SetWarnings are told beside the reasons, and leave it ready.
func (c *Core[S]) SetWarnings(warnings ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.warnings = warnings
}
