package rest

import (
	"net/http"

	"github.com/valyala/fasthttp"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	tensorjson "shoal/tensor/json"
)

// respond encodes a successful answer straight into the response's buffer.
func (c *call) respond(encode func(dst []byte) ([]byte, error)) error {
	resp := &c.http.Response
	body, err := encode(resp.SwapBody(nil)[:0])
	resp.SwapBody(body)
	if err != nil {
		return err
	}
	resp.Header.SetContentType(contentJSON)
	deflateAnswer(c.http)
	c.times.encode = c.times.lap()
	return nil
}

// writeJSON answers with a document.
func writeJSON(c *fasthttp.RequestCtx, code int, document []byte) {
	c.Response.SetStatusCode(code)
	c.Response.Header.SetContentType(contentJSON)
	c.Response.SetBody(document)
	if code == http.StatusOK {
		deflateAnswer(c)
	}
}

func regressions(result *apis_go_proto.RegressionResult) []float32 {
	values := make([]float32, len(result.GetRegressions()))
	for i, r := range result.GetRegressions() {
		values[i] = r.GetValue()
	}
	return values
}

func classes(result *apis_go_proto.ClassificationResult) [][]tensorjson.Class {
	rows := make([][]tensorjson.Class, len(result.GetClassifications()))
	for i, r := range result.GetClassifications() {
		rows[i] = make([]tensorjson.Class, len(r.GetClasses()))
		for k, class := range r.GetClasses() {
			rows[i][k] = tensorjson.Class{Label: []byte(class.GetLabel()), Score: class.GetScore()}
		}
	}
	return rows
}
