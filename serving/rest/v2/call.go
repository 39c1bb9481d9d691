package v2

import (
	"sync"

	"github.com/valyala/fasthttp"

	"shoal/serving/oip"
	"shoal/serving/rest"
)

// call is one request under /v2. Calls are reused.
type call struct {
	rest.Exchange
	api    *API
	target target
	req    request // of an inference
}

var calls = sync.Pool{New: func() any { return new(call) }}

func (a *API) newCall(s *rest.Server, http *fasthttp.RequestCtx, t target, method string) *call {
	c := calls.Get().(*call)
	c.api, c.target = a, t
	c.Begin(s, http, method)
	c.Deflate = true
	return c
}

// close shows the call to the observer and gives back what it holds.
func (c *call) close() {
	if c.Handle == nil {
		c.Model = c.target.model
	}
	c.End()
	c.req.reset()
	c.api, c.target = nil, target{}
	calls.Put(c)
}

// pin resolves the version that the path names and holds it.
func (c *call) pin() error {
	if c.Handle != nil {
		return nil
	}
	return c.pinLabel("")
}

// pinLabel resolves the version that the path names, or a label.
func (c *call) pinLabel(label string) error {
	spec, err := oip.ModelSpec(c.target.model, c.target.version, label)
	if err != nil {
		return err
	}
	return oip.Pin(&c.Call, c.api.opt.Core, spec)
}
