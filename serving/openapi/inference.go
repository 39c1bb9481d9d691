package openapi

import (
	"encoding/json"

	"shoal/serving/oip"
	"shoal/tensor"
)

// inferenceTag groups the operations of the Open Inference Protocol.
const inferenceTag = "Open Inference Protocol"

// inference adds the paths under /v2. They are the same whatever is served: the protocol's requests name their tensors and types.
func (b *builder) inference(model, version parameter) {
	for name, s := range inferenceSchemas() {
		b.doc.Components.Schemas[name] = s
	}
	b.doc.Tags = append(b.doc.Tags, tag{Name: inferenceTag, Description: "The protocol of KServe and Triton. Tensors may also be binary: docs/api.md"})
	add := func(path, id, summary string, answer *schema, body *requestBody, parameters ...parameter) {
		responses := answers(summary, answer, nil)
		if len(parameters) > 0 {
			responses["404"] = &response{Ref: "#/components/responses/404"}
		}
		o := &operation{ID: b.names.operation("v2." + id), Tags: []string{inferenceTag}, Summary: summary, Parameters: parameters, Body: body, Responses: responses}
		if body == nil {
			b.doc.Paths[path] = pathItem{Get: o}
			return
		}
		responses["400"] = &response{Ref: "#/components/responses/400"}
		b.doc.Paths[path] = pathItem{Post: o}
	}
	add("/v2", "server", "The server and its extensions", ref("v2.server"), nil)
	add("/v2/health/live", "live", "The server lives", ref("v2.live"), nil)
	add("/v2/health/ready", "ready", "The server is ready", ref("v2.ready"), nil)
	add("/v2/models/stats", "statistics", "What all versions have done", ref("v2.statistics"), nil)
	add("/v2/repository/index", "index", "All versions and their states", array(ref("v2.index")), &requestBody{Content: jsonBody(ref("v2.index.request"))})
	if len(b.models) == 0 {
		return
	}
	for _, at := range []struct {
		path, id   string
		parameters []parameter
	}{{"/v2/models/{model}", "", []parameter{model}}, {"/v2/models/{model}/versions/{version}", ".version", []parameter{model, version}}} {
		add(at.path, "metadata"+at.id, "Inputs and outputs of the default signature", ref("v2.metadata"), nil, at.parameters...)
		add(at.path+"/ready", "model.ready"+at.id, "The version is ready", ref("v2.ready"), nil, at.parameters...)
		add(at.path+"/config", "config"+at.id, "The model's configuration, as Triton has it", ref("v2.config"), nil, at.parameters...)
		add(at.path+"/stats", "statistics.model"+at.id, "What the version has done", ref("v2.statistics"), nil, at.parameters...)
		content := media{Schema: ref("v2.request")}
		if value := inferenceExample(b.sample.newest); value != nil {
			content.Examples = map[string]example{"zeros": {Value: value}}
		}
		add(at.path+"/infer", "infer"+at.id, "A prediction", ref("v2.answer"), &requestBody{Required: true, Content: map[string]media{contentJSON: content}}, at.parameters...)
	}
}

// inferenceExample is a request of zeros and empty strings for the default signature, if that can be asked.
func inferenceExample(signatures []*tensor.Signature) json.RawMessage {
	if len(signatures) == 0 || !askable(signatures[0]) {
		return nil
	}
	type input struct {
		Name     string  `json:"name"`
		Shape    []int64 `json:"shape"`
		Datatype string  `json:"datatype"`
		Data     any     `json:"data"`
	}
	request := struct {
		Parameters map[string]string `json:"parameters,omitempty"`
		Inputs     []input           `json:"inputs"`
	}{}
	sig := signatures[0]
	if sig.Name != defaultSignature {
		request.Parameters = map[string]string{"signature_name": sig.Name}
	}
	for i := range sig.Inputs {
		s := &sig.Inputs[i]
		shape, n := []int64{}, int64(1)
		for _, d := range s.Shape {
			if d < 0 {
				d = 1
			}
			if n *= d; n > maxExample {
				return nil
			}
			shape = append(shape, d)
		}
		data := make([]any, n)
		for k := range data {
			switch s.DType {
			case tensor.String:
				data[k] = ""
			case tensor.Bool:
				data[k] = false
			default:
				data[k] = 0
			}
		}
		request.Inputs = append(request.Inputs, input{s.Name, shape, oip.Datatype(s.DType), data})
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil
	}
	return text
}

// inferenceSchemas are those of the protocol.
func inferenceSchemas() map[string]*schema {
	text, number, flag := &schema{Type: "string"}, &schema{Type: "integer", Format: "int64"}, &schema{Type: "boolean"}
	parameters := &schema{Type: "object", Additional: anyOf(text, &schema{Type: "number"}, flag)}
	var names []string
	for d := tensor.DType(0); d < 32; d++ {
		if name := oip.Datatype(d); name != "" {
			names = append(names, name)
		}
	}
	datatype := &schema{Type: "string", Enum: names}
	shape := array(&schema{Type: "integer", Format: "int64", Minimum: "0"})
	data := array(new(schema))
	data.Description = "The elements, row by row; nested as the shape, flat, or anything between."
	return map[string]*schema{
		"v2.parameters": parameters,
		"v2.request": object(map[string]*schema{
			"id": text, "parameters": ref("v2.parameters"), "inputs": array(ref("v2.input")), "outputs": array(ref("v2.output")),
		}, "inputs"),
		"v2.input": object(map[string]*schema{
			"name": text, "shape": shape, "datatype": datatype, "parameters": ref("v2.parameters"), "data": data,
		}, "name", "shape", "datatype", "data"),
		"v2.output": object(map[string]*schema{"name": text, "parameters": ref("v2.parameters")}, "name"),
		"v2.answer": object(map[string]*schema{
			"id": text, "model_name": text, "model_version": text, "outputs": array(ref("v2.answer.output")),
		}, "model_name", "model_version", "outputs"),
		"v2.answer.output": object(map[string]*schema{
			"name": text, "shape": shape, "datatype": datatype, "parameters": ref("v2.parameters"), "data": data,
		}, "name", "shape", "datatype"),
		"v2.server": object(map[string]*schema{"name": text, "version": text, "extensions": array(text)}, "name", "version", "extensions"),
		"v2.live":   object(map[string]*schema{"live": flag}, "live"),
		"v2.ready":  object(map[string]*schema{"name": text, "ready": flag, "reasons": array(text)}, "ready"),
		"v2.tensor": object(map[string]*schema{"name": text, "datatype": text, "shape": array(number)}, "name", "datatype", "shape"),
		"v2.metadata": object(map[string]*schema{
			"name": text, "versions": array(text), "platform": text, "inputs": array(ref("v2.tensor")), "outputs": array(ref("v2.tensor")),
			"properties": {Type: "object", Additional: text},
		}, "name", "versions", "platform", "inputs", "outputs"),
		"v2.config":        object(map[string]*schema{"name": text, "platform": text, "max_batch_size": number}, "name", "platform", "max_batch_size"),
		"v2.statistics":    object(map[string]*schema{"model_stats": array(&schema{Type: "object"})}, "model_stats"),
		"v2.index":         object(map[string]*schema{"name": text, "version": text, "state": text, "reason": text}, "name"),
		"v2.index.request": object(map[string]*schema{"ready": flag}),
	}
}
