package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shoal/tensor"
)

// builder gathers a document, model by model, until it is as large as it may be.
type builder struct {
	doc     document
	left    int // bytes that models may still take
	omitted []string
	broken  []string // models that cannot be described
	models  []string
	labels  []string
	sample  sample // for the examples of parameters
	names   names
}

// sample is a version that is there; one with a label, if there is one.
type sample struct {
	model   string
	version int64
	label   string
	newest  []*tensor.Signature // of the model's newest version
}

func newBuilder(o Options) *builder {
	b := &builder{left: o.MaxBytes, names: make(names)}
	b.doc = document{
		OpenAPI: "3.1.0",
		Info:    info{Title: "Shoal", Version: o.Version},
		Servers: []server{{URL: "/"}},
		Paths:   make(map[string]pathItem),
		Components: components{
			Schemas:   commonSchemas(),
			Responses: failures(),
			Headers:   answerHeaders(),
		},
	}
	if b.doc.Info.Version == "" {
		b.doc.Info.Version = "unknown"
	}
	for _, p := range o.Pages {
		b.page(p)
	}
	if o.Keys {
		b.keys(o.Pages)
	}
	return b
}

// need adds a schema to the components, once. make may need others, its own name among them.
func (b *builder) need(name string, make func() *schema) {
	if _, ok := b.doc.Components.Schemas[name]; !ok {
		b.doc.Components.Schemas[name] = nil
		b.doc.Components.Schemas[name] = make()
	}
}

// verb is a way to ask a model.
type verb struct {
	name            string
	request, answer *schema
	examples        map[string]example
	description     string
}

// model adds a model's operations: for the newest version, each version and each label. What does not fit is left out.
func (b *builder) model(m served) {
	if b.left <= 0 {
		b.omitted = append(b.omitted, m.model)
		return
	}
	b.models = append(b.models, m.model)
	b.doc.Tags = append(b.doc.Tags, tag{Name: m.model, Description: versionsText(m)})
	base := "/v1/models/" + escape(m.model)
	for i, v := range m.versions {
		if len(v.labels) > 0 && b.sample.label == "" {
			b.sample = sample{m.model, v.number, v.labels[0], m.versions[0].signatures}
		} else if b.sample.model == "" {
			b.sample = sample{model: m.model, version: v.number, newest: m.versions[0].signatures}
		}
		b.labels = append(b.labels, v.labels...)
		if b.left <= 0 && i > 0 {
			b.omitted = append(b.omitted, fmt.Sprintf("%s version %d", m.model, v.number))
			continue
		}
		place := m.model // the schemas of the newest version keep their names when the next one comes
		if i > 0 {
			place += "." + strconv.FormatInt(v.number, 10)
		}
		for _, verb := range b.verbs(place, v) {
			if i == 0 {
				b.ask(m.model, base, "", "The newest version, "+strconv.FormatInt(v.number, 10)+", is asked. ", verb)
			}
			number := strconv.FormatInt(v.number, 10)
			b.ask(m.model, base+"/versions/"+number, "versions."+number, "", verb)
			for _, label := range v.labels {
				b.ask(m.model, base+"/labels/"+escape(label), "labels."+label, "The label points at version "+number+". ", verb)
			}
		}
	}
}

// verbs are what a version can be asked, with its schemas put into the components under names that begin with place.
func (b *builder) verbs(place string, v servedVersion) (list []verb) {
	if request, answer := b.predict(place, v.signatures); request != nil {
		list = append(list, verb{"predict", request, answer, examplesOf(v.signatures, "predict"), unaskable(v.signatures)})
	}
	for _, method := range []string{"classify", "regress"} {
		signatures := slices.DeleteFunc(slices.Clone(v.signatures), func(s *tensor.Signature) bool { return s.Method != "tensorflow/serving/"+method })
		if len(signatures) > 0 {
			list = append(list, verb{method, b.exampleRequest(place+"."+method+".request", signatures), b.exampleAnswer(method), examplesOf(signatures, method), ""})
		}
	}
	return list
}

// keep puts a schema into the components under a name like this one, and counts its size. Whatever is an object belongs there:
// generators of clients name a class by it, and fail where they have to find a name themselves.
func (b *builder) keep(name string, s *schema) *schema {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("openapi: %v", err)) // the types are our own
	}
	b.left -= len(text)
	name = b.names.schema(name)
	b.doc.Components.Schemas[name] = s
	return ref(name)
}

// keepAny is the only alternative, or the choice between them, kept under a name like this one.
func (b *builder) keepAny(name string, alternatives []*schema) *schema {
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return b.keep(name, anyOf(alternatives...))
}

// pathCost is about what an operation takes beside its schemas.
const pathCost = 1 << 10

// ask adds one operation that runs a model.
func (b *builder) ask(model, path, place, which string, v verb) {
	id := v.name + "." + model
	if place != "" {
		id += "." + place
	}
	b.doc.Paths[path+":"+v.name] = pathItem{Post: &operation{
		ID: b.names.operation(id), Tags: []string{model}, Summary: v.name + " " + strings.TrimSuffix(model+" "+strings.Replace(place, ".", " ", 1), " "),
		Description: strings.TrimSpace(which + v.description),
		Body:        &requestBody{Required: true, Content: map[string]media{contentJSON: {Schema: v.request, Examples: v.examples}}},
		Responses: answers("The answer; its form follows the request's.", v.answer, map[string]header{
			"Server-Timing": {Ref: "#/components/headers/Server-Timing"}, "Shoal-Model-Version": {Ref: "#/components/headers/Shoal-Model-Version"},
			"Shoal-Batch-Size": {Ref: "#/components/headers/Shoal-Batch-Size"},
		}, "400", "404", "413", "503", "504"),
	}}
	b.left -= pathCost
	for name := range v.examples {
		b.left -= len(v.examples[name].Value)
	}
}

// finish adds what depends on the models that are in it.
func (b *builder) finish() *document {
	b.questions()
	b.doc.Info.Description = "Models served over TensorFlow Serving's REST API, and over the Open Inference Protocol. This document describes what is served now, and changes with it."
	if n := len(b.omitted); n > 0 {
		const named = 20
		b.doc.Info.Description += fmt.Sprintf(" It would be too large with everything: %d more are left out (%s%s). %s?model=NAME describes one model.",
			n, strings.Join(b.omitted[:min(n, named)], ", "), map[bool]string{true: ", …"}[n > named], Path)
	}
	if len(b.broken) > 0 {
		b.doc.Info.Description += " Not described, because of an error of the server: " + strings.Join(b.broken, ", ") + "."
	}
	return &b.doc
}

func versionsText(m served) string {
	list := make([]string, len(m.versions))
	for i, v := range m.versions {
		list[i] = strconv.FormatInt(v.number, 10)
		if len(v.labels) > 0 {
			list[i] += " (" + strings.Join(v.labels, ", ") + ")"
		}
	}
	return "Versions: " + strings.Join(list, ", ")
}

// escape encodes everything that is not plain in a path; a colon or a slash would end the name, and braces would be a template.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '.' || c == '_' || c == '~' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
