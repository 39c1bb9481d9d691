package openapi

import (
	"cmp"
	"maps"
	"slices"
)

// questions adds what needs no run of a model: states and signatures, of any of the models described.
func (b *builder) questions() {
	in := func(name string, s *schema, example any) parameter {
		return parameter{Name: name, In: "path", Required: true, Schema: s, Example: example}
	}
	slices.Sort(b.labels)
	model := in("model", oneOf(b.models), b.sample.model)
	version := in("version", &schema{Type: "integer", Format: "int64", Minimum: "0", Maximum: "9223372036854775807"}, b.sample.version)
	label := in("label", oneOf(slices.Compact(b.labels)), b.sample.label)
	b.doc.Tags = append(b.doc.Tags, tag{Name: "models", Description: "What is served"})
	get := func(path, id, summary string, answer *schema, parameters ...parameter) {
		responses := answers(summary, answer, nil)
		for _, p := range parameters {
			switch p.Name {
			case "model":
				responses["404"] = &response{Ref: "#/components/responses/404"}
			case "version":
				responses["400"] = &response{Description: "No version can have this number. There is no body."}
			case "label":
				responses["400"] = &response{Ref: "#/components/responses/400"}
			}
		}
		b.doc.Paths[path] = pathItem{Get: &operation{ID: b.names.operation(id), Tags: []string{"models"}, Summary: summary, Parameters: parameters, Responses: responses}}
	}
	b.inference(model, version)
	get("/v1/models", "models", "Every model, with the states of its versions and its labels", ref("models"))
	if len(b.models) == 0 {
		return // there is nothing to ask about
	}
	get("/v1/models/{model}", "status", "The states of a model's versions", ref("status"), model)
	get("/v1/models/{model}/versions/{version}", "status.version", "The state of a version", ref("status"), model, version)
	get("/v1/models/{model}/metadata", "metadata", "The signatures of the newest version", ref("metadata"), model)
	get("/v1/models/{model}/versions/{version}/metadata", "metadata.version", "The signatures of a version", ref("metadata"), model, version)
	if len(b.labels) == 0 {
		return
	}
	get("/v1/models/{model}/labels/{label}/metadata", "metadata.label", "The signatures of the version that the label points at", ref("metadata"), model, label)
}

// page adds a page of the server; /healthz and /readyz have schemas.
func (b *builder) page(p Page) {
	if len(b.doc.Tags) == 0 {
		b.doc.Tags = append(b.doc.Tags, tag{Name: "server", Description: "The server itself"})
	}
	ok := &response{Description: p.Summary}
	responses := map[string]*response{"200": ok}
	switch p.Path {
	case "/healthz":
		ok.Content = jsonBody(object(map[string]*schema{"status": {Type: "string"}, "version": {Type: "string"}}, "status"))
	case "/readyz":
		ok.Content = jsonBody(object(map[string]*schema{"ready": {Type: "boolean"}, "warnings": array(&schema{Type: "string"})}, "ready"))
		responses["503"] = &response{Description: "Not ready, and why", Headers: map[string]header{"Retry-After": {Ref: "#/components/headers/Retry-After"}},
			Content: jsonBody(object(map[string]*schema{"ready": {Type: "boolean"}, "reasons": array(&schema{Type: "string"})}, "ready", "reasons"))}
	default:
		ok.Content = make(map[string]media)
		for _, t := range p.Types {
			ok.Content[t] = media{Schema: &schema{Type: "string"}}
		}
		if len(p.Types) == 0 {
			ok.Content[contentJSON] = media{Schema: &schema{Type: "object"}}
		}
	}
	id := cmp.Or(p.Path[1:], "status")
	b.doc.Paths[p.Path] = pathItem{Get: &operation{ID: b.names.operation("page." + id), Tags: []string{"server"}, Summary: p.Summary, Responses: responses}}
}

// answers are the success and the failures that are to be expected; a model's own operations may fail with any code.
func answers(text string, answer *schema, headers map[string]header, failing ...string) map[string]*response {
	all := map[string]*response{
		"200":     {Description: text, Headers: headers, Content: jsonBody(answer)},
		"default": {Ref: "#/components/responses/default"},
	}
	for _, code := range failing {
		all[code] = &response{Ref: "#/components/responses/" + code}
	}
	return all
}

// failures are the errors by their code.
func failures() map[string]*response {
	all := make(map[string]*response)
	for code, text := range map[string]string{
		"400":     "The request is malformed, or the model refuses its values.",
		"404":     "No such model or version is available.",
		"413":     "The body is larger than --max_request_bytes allows.",
		"503":     "More is asked for than can be computed, or the server is shutting down.",
		"504":     "The deadline has passed.",
		"default": "Any other error, with the code of what the model says.",
	} {
		all[code] = &response{Description: text, Content: jsonBody(ref("error"))}
	}
	all["503"].Headers = map[string]header{"Retry-After": {Ref: "#/components/headers/Retry-After"}}
	return all
}

func answerHeaders() map[string]header {
	return map[string]header{
		"Retry-After":         {Description: "seconds", Required: true, Schema: &schema{Type: "integer", Minimum: "1"}},
		"Server-Timing":       {Description: "where the time went, in milliseconds", Schema: &schema{Type: "string"}},
		"Shoal-Model-Version": {Description: "the version that answered", Schema: &schema{Type: "integer", Format: "int64"}},
		"Shoal-Batch-Size":    {Description: "rows that were run together", Schema: &schema{Type: "integer"}},
	}
}

// commonSchemas do not depend on what is served. Numbers of versions are strings here, as the protocol buffers have it.
func commonSchemas() map[string]*schema {
	text := &schema{Type: "string"}
	number := &schema{Type: "string", Format: "int64"}
	version := map[string]*schema{
		"version": number,
		"state":   {Type: "string", Enum: []string{"UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"}},
		"status":  object(map[string]*schema{"error_code": text, "error_message": text}, "error_code", "error_message"),
	}
	versions := array(object(version, "version", "state", "status"))
	listed := maps.Clone(version)
	listed["signatures"] = array(object(map[string]*schema{
		"name":    text,
		"batched": {Type: "boolean", Description: "whether its requests share batches"},
		"reason":  text,
	}, "name", "batched", "reason"))
	return map[string]*schema{
		"error":  object(map[string]*schema{"error": text}, "error"),
		"status": object(map[string]*schema{"model_version_status": versions}, "model_version_status"),
		"models": object(map[string]*schema{"models": array(object(map[string]*schema{
			"name": text, "model_version_status": array(object(listed, "version", "state", "status")), "version_labels": {Type: "object", Additional: number},
		}, "name", "model_version_status", "version_labels"))}, "models"),
		"metadata": object(map[string]*schema{
			"model_spec": object(map[string]*schema{"name": text, "signature_name": text, "version": number}, "name", "version"),
			"metadata": object(map[string]*schema{"signature_def": object(map[string]*schema{
				"signature_def": {Type: "object", Description: "tensorflow.SignatureDef by name"}}, "signature_def")}, "signature_def"),
		}, "model_spec", "metadata"),
	}
}
