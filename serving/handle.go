package serving

import (
	"sync/atomic"

	"shoal/tensor"
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

// Release gives the version free. Calling it again does nothing.
func (h *Handle) Release() {
	if h != nil && h.released.CompareAndSwap(false, true) && h.release != nil {
		h.release()
	}
}

// Refuses asks the servable, if it is a Refuser.
func (h *Handle) Refuses(sig *tensor.Signature) error {
	if r, ok := h.Servable.(Refuser); ok {
		return r.Refuses(sig)
	}
	return nil
}
