package rest

import (
	"github.com/valyala/fasthttp"

	"shoal/serving/inference"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// predict decodes the body into the arena, runs it and encodes the outputs in place, into the response's own buffer.
func (s *Server) predict(http *fasthttp.RequestCtx, t *target) error {
	c := s.newCall(http, t)
	defer c.close()
	c.arena = tensor.NewArena()

	var req *tensorjson.PredictRequest
	err := c.withBody(func(body []byte) (err error) {
		req, err = tensorjson.DecodePredict(body, c.resolve, c.arena)
		return err
	})
	if err != nil {
		return err
	}
	c.times.decode = c.times.lap()

	answer, err := c.handle.Run(s.base, req.Signature, req.Inputs, c.arena, c.deadline)
	if err != nil {
		return err
	}
	defer answer.Free()
	c.times.queue, c.times.run = answer.Queue, answer.Run
	c.times.lap()

	err = c.respond(func(dst []byte) ([]byte, error) {
		return tensorjson.AppendPredict(dst, req.Format, req.Signature, answer.Outputs)
	})
	if err == nil {
		c.describe(max(1, answer.BatchRows))
	}
	return err
}

// infer answers classify and regress. The whole body is checked before the model is looked up.
func (s *Server) infer(http *fasthttp.RequestCtx, t *target) error {
	c := s.newCall(http, t)
	defer c.close()
	method := "classify"
	if t.action == doRegress {
		method = "regress"
	}

	var req *tensorjson.ExamplesRequest
	err := c.withBody(func(body []byte) (err error) {
		req, err = tensorjson.DecodeExamples(body, method)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.pin(); err != nil {
		return err
	}
	c.times.decode = c.times.lap()

	var encode func(dst []byte) ([]byte, error)
	checks := inference.CheckMethodName(s.opt.CheckMethodName)
	if t.action == doRegress {
		result, err := inference.Regress(s.base, c.handle, req.SignatureName, req.Examples, c.deadline, checks)
		if err != nil {
			return err
		}
		encode = func(dst []byte) ([]byte, error) { return tensorjson.AppendRegress(dst, regressions(result)) }
	} else {
		result, err := inference.Classify(s.base, c.handle, req.SignatureName, req.Examples, c.deadline, checks)
		if err != nil {
			return err
		}
		encode = func(dst []byte) ([]byte, error) { return tensorjson.AppendClassify(dst, classes(result)) }
	}
	c.times.run = c.times.lap()
	if err := c.respond(encode); err != nil {
		return err
	}
	c.describe(0)
	return nil
}
