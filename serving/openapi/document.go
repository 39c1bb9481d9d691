package openapi

import "encoding/json"

// document is an OpenAPI 3.1 document, and the types below are as much of one as is used. Maps are printed in the order of
// their keys, so that equal documents are equal bytes.
type document struct {
	OpenAPI    string              `json:"openapi"`
	Info       info                `json:"info"`
	Servers    []server            `json:"servers"`
	Tags       []tag               `json:"tags"`
	Paths      map[string]pathItem `json:"paths"`
	Components components          `json:"components"`
	// Security is what every operation needs that does not say otherwise.
	Security []map[string][]string `json:"security,omitempty"`
}

type info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type server struct {
	URL string `json:"url"`
}

type tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

type pathItem struct {
	Get  *operation `json:"get,omitempty"`
	Post *operation `json:"post,omitempty"`
}

type operation struct {
	ID          string               `json:"operationId"`
	Tags        []string             `json:"tags"`
	Summary     string               `json:"summary"`
	Description string               `json:"description,omitempty"`
	Parameters  []parameter          `json:"parameters,omitempty"`
	Body        *requestBody         `json:"requestBody,omitempty"`
	Responses   map[string]*response `json:"responses"`
	Security    *[]struct{}          `json:"security,omitempty"` // empty: no key is needed
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Schema      *schema `json:"schema"`
	Example     any     `json:"example,omitempty"`
}

type requestBody struct {
	Required bool             `json:"required"`
	Content  map[string]media `json:"content"`
}

type response struct {
	Ref         string            `json:"$ref,omitempty"`
	Description string            `json:"description,omitempty"`
	Headers     map[string]header `json:"headers,omitempty"`
	Content     map[string]media  `json:"content,omitempty"`
}

type header struct {
	Ref         string  `json:"$ref,omitempty"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
}

type media struct {
	Schema   *schema            `json:"schema,omitempty"`
	Examples map[string]example `json:"examples,omitempty"`
}

type example struct {
	Value json.RawMessage `json:"value"`
}

type components struct {
	Schemas   map[string]*schema   `json:"schemas"`
	Responses map[string]*response `json:"responses"`
	Headers   map[string]header    `json:"headers"`
	Schemes   map[string]scheme    `json:"securitySchemes,omitempty"`
}

// scheme is a way to show who one is.
type scheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme"`
	Description string `json:"description"`
}

// schema is a JSON schema of draft 2020-12.
type schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type,omitempty"`
	Format      string             `json:"format,omitempty"`
	Const       string             `json:"const,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Encoding    string             `json:"contentEncoding,omitempty"`
	Minimum     json.Number        `json:"minimum,omitempty"`
	Maximum     json.Number        `json:"maximum,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // a *schema, or false
	Items       *schema            `json:"items,omitempty"`
	Prefix      []*schema          `json:"prefixItems,omitempty"`
	MinItems    *int64             `json:"minItems,omitempty"`
	MaxItems    *int64             `json:"maxItems,omitempty"`
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	Not         *schema            `json:"not,omitempty"`
}

const contentJSON = "application/json"

// ref points at a schema of the components.
func ref(name string) *schema { return &schema{Ref: "#/components/schemas/" + name} }

// anyOf is the only alternative, or all of them.
func anyOf(alternatives ...*schema) *schema {
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return &schema{AnyOf: alternatives}
}

// never is a property that must not be there.
func never() *schema { return &schema{Not: new(schema)} }

func array(items *schema) *schema { return &schema{Type: "array", Items: items} }

// times bounds an array's length; -1: it has any.
func (s *schema) times(n int64) *schema {
	if n >= 0 {
		s.MinItems, s.MaxItems = &n, &n
	}
	return s
}

// atLeast bounds an array's length from below.
func (s *schema) atLeast(n int64) *schema {
	s.MinItems = &n
	return s
}

// object has these properties, all of them required.
func object(properties map[string]*schema, required ...string) *schema {
	return &schema{Type: "object", Properties: properties, Required: required}
}

// jsonBody is content of one type, JSON.
func jsonBody(s *schema) map[string]media { return map[string]media{contentJSON: {Schema: s}} }
