package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/tensor"
)

// details is what the form needs to know about one version.
type details struct {
	Model      string             `json:"model"`
	Version    int64              `json:"version"`
	Signatures []signatureDetails `json:"signatures"` // serving_default first
}

type signatureDetails struct {
	Name    string          `json:"name"`
	Method  string          `json:"method"`
	Inputs  []tensorDetails `json:"inputs"`
	Outputs []tensorDetails `json:"outputs"`
	Verb    string          `json:"verb"`    // of the URL
	Example string          `json:"example"` // body of a request; "": there is no example
	Why     string          `json:"why,omitempty"`
}

type tensorDetails struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape string `json:"shape"`
}

// model answers with a version's signatures: ?name=m, and version=3 or label=stable; otherwise of the newest version.
func (p *Page) model(c *fiber.Ctx) error {
	spec := serving.ModelSpec{Model: c.Query("name"), Label: c.Query("label")}
	if text := c.Query("version"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fault(c, status.Errorf(codes.InvalidArgument, "version=%s is not a number", text))
		}
		spec.Version = &n
	}
	h, err := p.handle(spec)
	if err != nil {
		return fault(c, err)
	}
	defer h.Release()
	return c.JSON(p.describe(h))
}

func (p *Page) describe(h *serving.Handle) details {
	d := details{Model: h.Model, Version: h.Version, Signatures: []signatureDetails{}}
	for _, sig := range h.Describe().Signatures {
		s := signatureDetails{Name: sig.Name, Method: sig.Method, Inputs: tensors(sig.Inputs), Outputs: tensors(sig.Outputs), Verb: "predict"}
		if p.opt.Example != nil {
			s.Verb, s.Example, s.Why = p.opt.Example(sig)
		}
		d.Signatures = append(d.Signatures, s)
	}
	slices.SortFunc(d.Signatures, func(a, b signatureDetails) int {
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return d
}

func rank(signature string) int {
	if signature == "serving_default" {
		return 0
	}
	return 1
}

func tensors(specs []tensor.Spec) []tensorDetails {
	list := make([]tensorDetails, len(specs))
	for i, s := range specs {
		list[i] = tensorDetails{s.Name, s.DType.String(), s.Shape.String()}
		if s.UnknownRank {
			list[i].Shape = "any shape"
		}
	}
	return list
}

// fault answers in the form of the API's errors.
func fault(c *fiber.Ctx, err error) error {
	code := http.StatusInternalServerError
	switch st := status.Convert(err); st.Code() {
	case codes.NotFound:
		code = http.StatusNotFound
	case codes.InvalidArgument:
		code = http.StatusBadRequest
	case codes.Unavailable:
		code = http.StatusServiceUnavailable
	}
	return c.Status(code).JSON(fiber.Map{"error": status.Convert(err).Message()})
}
