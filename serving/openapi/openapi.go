// Package openapi describes the REST API as an OpenAPI 3.1 document, made of the models that are served now: the requests and
// answers of each version as JSON schemas, taken from its signatures. Tools read it to show the API, to generate clients and to
// try every operation.
//
// served.go finds out what there is, and the document is made anew only when that has changed. paths.go lists the operations,
// inference.go those of the Open Inference Protocol, pages.go those that are there whatever is served. predict.go and examples.go are
// what goes in and out, value.go the schema of one tensor. document.go is as much of OpenAPI as is used. example.go makes requests that
// a signature accepts.
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/gofiber/fiber/v2"

	"shoal/serving"
)

// Path is where the document is served.
const Path = "/openapi.json"

// DefaultMaxBytes bounds a document: much more than that no tool shows.
const DefaultMaxBytes = 4 << 20

// Options configures a Description. Core is required.
type Options struct {
	Core     serving.Core
	Version  string // the server's own
	Pages    []Page // of the server, beside the API
	Keys     bool   // clients have to show a key
	MaxBytes int    // of a document; what does not fit is left out, and named; 0: DefaultMaxBytes
}

// Page is a path of the server that answers GET.
type Page struct {
	Path    string
	Summary string
	Types   []string // of its content; none: JSON
	Open    bool     // it needs no key, where others do
}

// Description makes the document and keeps it. Its methods are safe for concurrent use.
type Description struct {
	opt Options

	mu     sync.Mutex
	latest *rendered // of all models; nil: none was asked for yet
}

// rendered is a document and what it was made of. It never changes.
type rendered struct {
	served []served
	body   []byte
	etag   string
}

// New makes a description of what opt.Core serves.
func New(opt Options) *Description {
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = DefaultMaxBytes
	}
	return &Description{opt: opt}
}

// Handle answers GET and HEAD with the document: of all models, or of the one that ?model= names.
func (d *Description) Handle(c *fiber.Ctx) error {
	if m := c.Method(); m != http.MethodGet && m != http.MethodHead {
		c.Set(fiber.HeaderAllow, "GET, HEAD")
		return fault(c, http.StatusMethodNotAllowed, "Method not allowed: "+m+" "+Path)
	}
	doc, err := d.render(c.Query("model"))
	if err != nil {
		return fault(c, http.StatusNotFound, err.Error())
	}
	c.Set(fiber.HeaderETag, doc.etag)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if c.Get(fiber.HeaderIfNoneMatch) == doc.etag {
		return c.SendStatus(http.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(doc.body)
}

func fault(c *fiber.Ctx, code int, text string) error {
	return c.Status(code).JSON(fiber.Map{"error": text})
}

// render gives the document of one model, or of all where the name is empty. Only that of all is kept: names come from clients.
func (d *Description) render(model string) (*rendered, error) {
	now := snapshot(d.opt.Core, model)
	if model != "" {
		if len(now) == 0 {
			//lint:ignore ST1005 the text is TensorFlow Serving's
			return nil, fmt.Errorf("Could not find any versions of model %s", model)
		}
		return d.make(now), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.latest == nil || !slices.EqualFunc(d.latest.served, now, served.equal) {
		d.latest = d.make(now)
	}
	return d.latest, nil
}

// build describes what is served, but for the broken models, which it names. A model's signatures are anybody's word: where one
// cannot be described, which is an error of this package, failed is that model, and the others need not go without a document.
func (d *Description) build(now []served, broken []string) (b *builder, failed string) {
	b = newBuilder(d.opt)
	b.broken = broken
	defer func() {
		if failed != "" {
			_ = recover()
		}
	}()
	for _, m := range now {
		if !slices.Contains(broken, m.model) {
			failed = m.model
			b.model(m)
		}
	}
	return b, ""
}

func (d *Description) make(now []served) *rendered {
	var broken []string
	b, failed := d.build(now, broken)
	for failed != "" {
		broken = append(broken, failed)
		b, failed = d.build(now, broken)
	}
	body, err := json.Marshal(b.finish())
	if err != nil {
		panic(fmt.Sprintf("openapi: %v", err)) // the types are our own
	}
	sum := sha256.Sum256(body)
	return &rendered{served: now, body: body, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}
