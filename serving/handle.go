package serving

import (
	"fmt"
	"sync/atomic"
)

// Handle pins a version: it is not unloaded before Release. Hold it briefly.
type Handle struct {
	Servable
	Model    string
	Version  int64
	release  func()
	released atomic.Bool
}

// NewHandle makes a handle; release is called once.
func NewHandle(s Servable, model string, version int64, release func()) *Handle {
	return &Handle{Servable: s, Model: model, Version: version, release: release}
}

// Missing is the reason for which a signature that the model has is not served; "" where the model has none with this key.
func (h *Handle) Missing(key string) string {
	why := h.Describe().Skipped[key]
	if why == "" {
		return ""
	}
	return fmt.Sprintf("Serving signature %q cannot be served: %s", key, why)
}

// Release gives the version free. Calling it again does nothing.
func (h *Handle) Release() {
	if h != nil && h.released.CompareAndSwap(false, true) && h.release != nil {
		h.release()
	}
}
