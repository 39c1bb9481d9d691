package v1

import (
	"sync"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/rest"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// call is one request under /v1/. Calls are reused.
type call struct {
	rest.Exchange
	api     *API
	target  target
	version int64              // what the spec's Version points at
	format  tensorjson.Format  // of a prediction
	resolve tensorjson.Resolve // c.signature, bound once
}

var calls = sync.Pool{New: func() any {
	c := new(call)
	c.resolve = c.signature
	return c
}}

var methods = [...]string{
	doPredict: "Predict", doClassify: "Classify", doRegress: "Regress",
	getStatus: "GetModelStatus", getMetadata: "GetModelMetadata", getList: "ListModels", getUnnamed: "GetModelStatus",
}

func (a *API) newCall(s *rest.Server, http *fasthttp.RequestCtx, t *target) *call {
	c := calls.Get().(*call)
	c.api, c.target = a, *t
	c.Begin(s, http, methods[t.action])
	return c
}

// close reports the call to the observer and releases what it holds.
func (c *call) close() {
	if c.Handle == nil {
		c.Model = string(c.target.model)
	}
	c.End()
	c.api, c.target = nil, target{}
	calls.Put(c)
}

// pin resolves the version and holds it.
func (c *call) pin() error {
	if c.Handle != nil {
		return nil
	}
	return c.Pin(c.api.opt.Core, c.target.spec(&c.version))
}

// signature finds the signature. The decoder calls it when it knows that the JSON is well formed.
func (c *call) signature(name string) (*tensor.Signature, error) {
	if err := c.pin(); err != nil {
		return nil, err
	}
	sig, ok := c.Handle.Signature(name)
	switch {
	case !ok:
		if name == "" {
			name = "serving_default"
		}
		if why := c.Handle.Missing(name); why != "" {
			return nil, status.Error(codes.InvalidArgument, why)
		}
		return nil, status.Errorf(codes.InvalidArgument, "Serving signature name: \"%s\" not found in signature def", name)
	case len(sig.Inputs) == 0:
		if name == "" {
			name = "DEFAULT"
		}
		return nil, status.Errorf(codes.InvalidArgument, "Failed to get input map for signature: %s", name)
	}
	c.Signature = sig.Name
	return sig, nil
}

// spec returns the version that the URL asks for. version outlives the call.
func (t *target) spec(version *int64) serving.ModelSpec {
	spec := serving.ModelSpec{Model: string(t.model), Label: string(t.label)}
	if t.hasVersion {
		*version = t.version
		spec.Version = version
	}
	return spec
}
