package v2

import (
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/oip"
	"shoal/serving/rest"
)

// write answers with a document.
func (c *call) write(code int, document any) error {
	b, err := json.Marshal(document)
	if err != nil {
		return status.Errorf(codes.Internal, "the answer cannot be written as JSON: %v", err)
	}
	rest.WriteJSON(c.HTTP, code, b)
	return nil
}

func (c *call) serverMetadata() error { return c.write(http.StatusOK, oip.Server(c.api.opt.Version)) }

type live struct {
	Live bool `json:"live"`
}

func (c *call) serverLive() error { return c.write(http.StatusOK, live{true}) }

type ready struct {
	Name    string   `json:"name,omitempty"` // of a model; "": the server
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"`
}

// serverReady answers 400 if the server is not ready, as Triton does.
func (c *call) serverReady() error {
	ok, reasons := c.Ready()
	if !ok {
		return c.write(http.StatusBadRequest, ready{Reasons: reasons})
	}
	return c.write(http.StatusOK, ready{Ready: true})
}

func (c *call) modelReady() error {
	if err := oip.ModelReady(c.api.opt.Core, c.target.model, c.target.version); err != nil {
		if status.Code(err) == codes.NotFound {
			return err
		}
		return oip.ErrNotReady
	}
	return c.write(http.StatusOK, ready{Name: c.target.model, Ready: true})
}

func (c *call) modelMetadata() error {
	if err := c.pin(); err != nil {
		return err
	}
	m, err := oip.Metadata(c.api.opt.Core, c.Handle)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, m)
}

func (c *call) modelConfig() error {
	if err := c.pin(); err != nil {
		return err
	}
	config, err := oip.Configuration(c.api.opt.Core, c.Handle)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, config)
}

type modelStatistics struct {
	Models []oip.ModelStatistics `json:"model_stats"`
}

func (c *call) statistics() error {
	all, err := oip.Statistics(c.api.opt.Core, c.api.opt.Counted, c.target.model, c.target.version)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, modelStatistics{all})
}

// index lists the models. The body may say that only those are wanted that are ready.
func (c *call) index() error {
	var wanted struct {
		Ready bool `json:"ready"`
	}
	if err := c.parameters(&wanted); err != nil {
		return err
	}
	return c.write(http.StatusOK, oip.Index(c.api.opt.Core, c.api.opt.Repository, wanted.Ready))
}

// load answers when the model is available or has failed. The body may have parameters.
func (c *call) load() error {
	var wanted struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if err := c.parameters(&wanted); err != nil {
		return err
	}
	if err := oip.Load(c.Context, c.api.opt.Repository, c.target.model, len(wanted.Parameters) > 0); err != nil {
		return err
	}
	c.HTTP.SetStatusCode(http.StatusOK)
	return nil
}

func (c *call) unload() error {
	if err := oip.Unload(c.Context, c.api.opt.Repository, c.target.model); err != nil {
		return err
	}
	c.HTTP.SetStatusCode(http.StatusOK)
	return nil
}

// parameters reads a body that may be empty.
func (c *call) parameters(into any) error {
	return c.Body(nil, func(body []byte) error {
		if len(body) == 0 {
			return nil
		}
		if err := json.Unmarshal(body, into); err != nil {
			return status.Errorf(codes.InvalidArgument, "failed to parse the request JSON buffer: %v", err)
		}
		return nil
	})
}

// logSettings changes the settings that are sent, and answers with all of them.
func (c *call) logSettings() error {
	log := c.api.opt.Log
	if log == nil {
		return status.Error(codes.Unimplemented, "the log's settings are not served")
	}
	sent := make(map[string]oip.Value)
	err := c.Body(nil, func(body []byte) error {
		return readSettings(body, func(key string, v oip.Value) { sent[key] = v })
	})
	if err != nil {
		return err
	}
	all, err := oip.SetLog(log, sent)
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, all)
}

// traceSettings tells the settings, which the environment decides.
func (c *call) traceSettings() error {
	err := c.Body(nil, func(body []byte) error {
		var sent map[string]json.RawMessage
		if len(body) > 0 && json.Unmarshal(body, &sent) != nil || len(sent) > 0 {
			return oip.ErrTraceFixed
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, oip.TraceSettings(c.api.opt.Tracing))
}
