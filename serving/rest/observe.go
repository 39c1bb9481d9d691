package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NoVersion is the Version of a Call that none answered.
const NoVersion = -1

// Call is a finished request under /v1/, for metrics, traces and logs.
type Call struct {
	Context   context.Context // of the request; nil: none
	Method    string          // the RPC of this purpose: Predict, Classify, Regress, GetModelStatus, GetModelMetadata; ListModels; or ""
	Model     string          // as the URL names it: there may be no such model; "" where it names none
	Version   int64           // that was pinned, or NoVersion
	Signature string          // of that version, once it is known
	Examples  int             // of Classify and Regress
	Rows      int             // of Predict
	BatchRows int             // that ran together with Predict's, its own included
	Err       error           // nil, or what was answered
	Start     time.Time       // when the headers had arrived
	Duration  time.Duration

	// The phases that were completed; 0: not measured. Classify and Regress have their wait in Run.
	Decode, Queue, Run, Encode time.Duration

	// HTTP has the request and the answer, complete. It is not to be changed, nor kept by who is told.
	HTTP *fasthttp.RequestCtx
}

// errUnfinished is the outcome of a call that panicked.
var errUnfinished = status.Error(codes.Internal, "panic")

var methods = [...]string{
	doPredict: "Predict", doClassify: "Classify", doRegress: "Regress",
	getStatus: "GetModelStatus", getMetadata: "GetModelMetadata", getList: "ListModels", getUnnamed: "GetModelStatus",
}

// observe reports a request that needed no run of a model.
func (s *Server) observe(ctx context.Context, c *fasthttp.RequestCtx, t *target, err error) {
	if s.opt.Observe == nil {
		return
	}
	s.opt.Observe(Call{
		Context: ctx, HTTP: c,
		Method: methods[t.action], Model: string(t.model), Version: NoVersion,
		Err: err, Start: c.Time(), Duration: time.Since(c.Time()),
	})
}

// report reports a prediction, while its version is still pinned.
func (c *call) report() {
	observe := c.server.opt.Observe
	if observe == nil {
		return
	}
	if c.outcome == errUnfinished {
		c.http.SetStatusCode(http.StatusInternalServerError) // as it will be answered
	}
	done := Call{
		Context: c.ctx, HTTP: c.http,
		Method: methods[c.target.action], Version: NoVersion, Examples: c.examples, Rows: c.rows, BatchRows: c.batch,
		Err: c.outcome, Start: c.http.Time(), Duration: time.Since(c.http.Time()),
		Decode: c.times.decode, Queue: c.times.queue, Run: c.times.run, Encode: c.times.encode,
	}
	if c.handle != nil {
		done.Model, done.Version = c.handle.Model, c.handle.Version
	} else {
		done.Model = string(c.target.model)
	}
	if c.sig != nil {
		done.Signature = c.sig.Name
	}
	observe(done)
}
