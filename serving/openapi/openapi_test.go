package openapi

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"shoal/tensor"
)

// ask gives a description's answer to a GET.
func ask(t *testing.T, d *Description, method, target, ifNoneMatch string) (code int, etag, body string) {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(d.Handle)
	req := httptest.NewRequest(method, target, nil)
	if ifNoneMatch != "" {
		req.Header.Set("If-None-Match", ifNoneMatch)
	}
	res, err := app.Test(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("ETag"), string(content)
}

func read(t *testing.T, body string) (doc document) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return doc
}

// paths are those of the document that run a model.
func paths(doc document) (list []string) {
	for path, item := range doc.Paths {
		if item.Post != nil && !strings.HasPrefix(path, "/v2/") { // those are the same whatever is served
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// TestFollowsWhatIsServed checks that the document changes with the models, and only then.
func TestFollowsWhatIsServed(t *testing.T) {
	core := new(fakeCore)
	d := New(Options{Core: core, Version: "1.2.3"})
	_, first, body := ask(t, d, "GET", Path, "")
	if doc := read(t, body); len(paths(doc)) != 0 || doc.Info.Version != "1.2.3" {
		t.Errorf("without models: %s", body)
	}
	core.load("m", 1, []string{"stable"}, signature("serving_default", floats("x", -1)))
	core.load("m", 2, nil, signature("serving_default", floats("x", -1, 3)))
	core.load("a b/{c}:d", 7, nil, signature("serving_default", floats("x", -1)))
	_, second, body := ask(t, d, "GET", Path, "")
	want := []string{"/v1/models/a%20b%2F%7Bc%7D%3Ad/versions/7:predict", "/v1/models/a%20b%2F%7Bc%7D%3Ad:predict", "/v1/models/m/labels/stable:predict",
		"/v1/models/m/versions/1:predict", "/v1/models/m/versions/2:predict", "/v1/models/m:predict"}
	if got := paths(read(t, body)); !slices.Equal(got, want) {
		t.Errorf("paths %q, want %q", got, want)
	}
	schemaOf := func(path string) string { return read(t, body).Paths[path].Post.Body.Content[contentJSON].Schema.Ref }
	if schemaOf("/v1/models/m:predict") != schemaOf("/v1/models/m/versions/2:predict") || schemaOf("/v1/models/m/labels/stable:predict") != schemaOf("/v1/models/m/versions/1:predict") {
		t.Error("the newest version and the label's are not those of their numbers")
	}
	if first == second {
		t.Error("the same ETag for another document")
	}
	if code, _, again := ask(t, d, "GET", Path, second); code != 304 || again != "" {
		t.Errorf("a document that the client has: %d %s", code, again)
	}
	core.put("m", 2, signature("serving_default", floats("x", -1, 4)))
	if _, third, _ := ask(t, d, "GET", Path, ""); third == second {
		t.Error("a version was loaded anew with another signature, and the document is the old one")
	}
}

// TestKept checks that a document is made once.
func TestKept(t *testing.T) {
	core := new(fakeCore)
	core.load("m", 1, nil, signature("serving_default", floats("x", -1)))
	d := New(Options{Core: core})
	one, err := d.render("")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := d.render("")
	if one != two {
		t.Error("made again, though nothing has changed")
	}
	if three, _ := d.render("m"); three == one || d.latest != one {
		t.Error("a document of one model takes the place of the whole")
	}
}

// TestBounded checks that a large one names what it leaves out, and that this can be asked for.
func TestBounded(t *testing.T) {
	core := new(fakeCore)
	for i := range 200 {
		core.load(fmt.Sprintf("model-%03d", i), 1, nil, signature("serving_default", floats("x", -1)))
	}
	d := New(Options{Core: core, MaxBytes: 64 << 10})
	_, _, body := ask(t, d, "GET", Path, "")
	doc := read(t, body)
	if n := len(paths(doc)); n == 0 || n >= 400 || len(body) > 128<<10 {
		t.Errorf("%d paths, %d bytes", n, len(body))
	}
	if !strings.Contains(doc.Info.Description, "more are left out") {
		t.Errorf("it does not say that it is incomplete: %s", doc.Info.Description)
	}
	code, _, body := ask(t, d, "GET", Path+"?model=model-199", "")
	if got := paths(read(t, body)); code != 200 || !slices.Equal(got, []string{"/v1/models/model-199/versions/1:predict", "/v1/models/model-199:predict"}) {
		t.Errorf("%d %q", code, got)
	}
	if code, _, body := ask(t, d, "GET", Path+"?model=absent", ""); code != 404 || body != `{"error":"Could not find any versions of model absent"}` {
		t.Errorf("%d %s", code, body)
	}
	if code, _, _ := ask(t, d, "POST", Path, ""); code != 405 {
		t.Errorf("POST: %d", code)
	}
}

// TestSignatures checks which forms of a request are described for a signature.
func TestSignatures(t *testing.T) {
	complexIn := tensor.Spec{Name: "x", DType: tensor.Complex64, Shape: tensor.Shape{-1}}
	anyRank := tensor.Spec{Name: "x", DType: tensor.Int64, UnknownRank: true}
	for _, c := range []struct {
		name  string
		sig   *tensor.Signature
		forms []string
		has   []string // texts of the schemas
	}{
		{"rows", signature("serving_default", floats("x", -1, 2)), []string{"rows", "columns"}, []string{`"minItems":2,"maxItems":2`, `"enum":["serving_default",""]`}},
		{"another name", signature("other", floats("x", -1)), []string{"rows", "columns"}, []string{`"const":"other"`, `"required":["instances","signature_name"]`}},
		{"scalar", signature("serving_default", floats("x")), []string{"columns"}, nil},
		{"fixed rows", signature("serving_default", floats("a", 2, 3), floats("b", -1)), []string{"rows", "columns"}, []string{`"required":["a","b"],"additionalProperties":false`}},
		{"rows that differ", signature("serving_default", floats("a", 2), floats("b", 3)), []string{"columns"}, nil},
		{"strings", signature("serving_default", texts("x", -1)), []string{"rows", "columns"}, []string{`#/components/schemas/string`}},
		{"any rank", signature("serving_default", anyRank), []string{"rows", "columns"}, []string{`#/components/schemas/any.int64`}},
		{"complex", signature("serving_default", complexIn), nil, nil},
		{"no inputs", signature("serving_default"), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			core := new(fakeCore)
			core.load("m", 1, nil, c.sig)
			_, _, body := ask(t, New(Options{Core: core}), "GET", Path, "")
			doc := read(t, body)
			var forms []string
			all := doc.Components.Schemas["m.predict.request"]
			for _, form := range []string{"rows", "columns"} {
				name := "m.predict.request." + c.sig.Name + "." + form
				if doc.Components.Schemas[name] == nil {
					continue
				}
				forms = append(forms, form)
				if all != nil && !slices.ContainsFunc(all.AnyOf, func(s *schema) bool { return s.Ref == ref(name).Ref }) {
					t.Errorf("%s is not among the alternatives", name)
				}
			}
			if (all != nil) != (len(forms) > 1) {
				t.Errorf("forms %q, alternatives %v", forms, all)
			}
			text, _ := json.Marshal(doc.Components.Schemas)
			if !slices.Equal(forms, c.forms) {
				t.Errorf("forms %q, want %q: %s", forms, c.forms, text)
			}
			for _, want := range c.has {
				if !strings.Contains(string(text), want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
			if c.forms == nil && len(paths(doc)) > 0 {
				t.Error("described, though JSON cannot ask it")
			}
		})
	}
}

// TestReferences checks that whatever a document refers to is there.
func TestReferences(t *testing.T) {
	core := new(fakeCore)
	classify := &tensor.Signature{Name: "classify", Method: "tensorflow/serving/classify", Inputs: []tensor.Spec{texts("inputs", -1)},
		Outputs: []tensor.Spec{floats("scores", -1, 2)}, Features: []tensor.Feature{{Name: "age", DType: tensor.Int64, Shape: tensor.Shape{1}}}}
	core.load("m", 1, []string{"a/b"}, signature("serving_default", texts("x", -1), floats("z", -1, 2)), classify)
	core.load("m ", 1, nil, signature("serving_default", floats("x", -1)))
	_, _, body := ask(t, New(Options{Core: core, Pages: []Page{{Path: "/readyz"}, {Path: "/metrics", Types: []string{"text/plain"}}}}), "GET", Path, "")
	doc := read(t, body)
	have := map[string]bool{}
	for name, s := range doc.Components.Schemas {
		have["#/components/schemas/"+name] = s != nil
	}
	for name := range maps.Keys(doc.Components.Responses) {
		have["#/components/responses/"+name] = true
	}
	for name := range maps.Keys(doc.Components.Headers) {
		have["#/components/headers/"+name] = true
	}
	n := 0
	for _, part := range strings.Split(body, `"$ref":"`)[1:] {
		target, _, _ := strings.Cut(part, `"`)
		if n++; !have[target] {
			t.Errorf("%s is not there", target)
		}
	}
	if n < 20 || !strings.Contains(body, `"age":{"anyOf":`) {
		t.Errorf("%d references in %s", n, body)
	}
}

// TestNames checks that what generators of clients would make one name of is told apart, and that names do not change with what
// else is served.
func TestNames(t *testing.T) {
	core := new(fakeCore)
	sig := func() *tensor.Signature { return signature("serving_default", floats("x", -1)) }
	core.load("a.b", 1, nil, sig())
	d := New(Options{Core: core})
	names := func() (ids, schemas []string) {
		_, _, body := ask(t, d, "GET", Path, "")
		doc := read(t, body)
		for _, item := range doc.Paths {
			if item.Post != nil {
				ids = append(ids, item.Post.ID)
			}
		}
		return ids, slices.Sorted(maps.Keys(doc.Components.Schemas))
	}
	firstIDs, firstSchemas := names()
	core.load("a_b", 1, nil, sig())
	core.load("a.labels.x", 1, nil, sig())
	core.load("a", 1, []string{"x"}, sig())
	ids, schemas := names()
	for _, list := range [][]string{ids, schemas} {
		seen := map[string]string{}
		for _, name := range list {
			if other, taken := seen[folded(name)]; taken {
				t.Errorf("%s and %s", name, other)
			}
			seen[folded(name)] = name
		}
	}
	core.load("a.b", 2, nil, sig())
	moreIDs, moreSchemas := names()
	for _, name := range firstIDs {
		if !slices.Contains(ids, name) || !slices.Contains(moreIDs, name) {
			t.Errorf("operation %s is called otherwise", name)
		}
	}
	for _, name := range firstSchemas {
		if !slices.Contains(schemas, name) || !slices.Contains(moreSchemas, name) {
			t.Errorf("schema %s is called otherwise", name)
		}
	}
}

// TestExamples checks that an example is made of what is known, and that else its lack is explained.
func TestExamples(t *testing.T) {
	classify := func(features ...tensor.Feature) *tensor.Signature {
		return &tensor.Signature{Name: "serving_default", Method: "tensorflow/serving/classify", Inputs: []tensor.Spec{texts("inputs", -1)},
			Outputs: []tensor.Spec{floats("scores", -1)}, Features: features}
	}
	age := tensor.Feature{Name: "age", DType: tensor.Int64, Shape: tensor.Shape{}}
	words := tensor.Feature{Name: "words", DType: tensor.String, Any: true}
	pixels := tensor.Feature{Name: "pixels", DType: tensor.Float32, Shape: tensor.Shape{2, 2}}
	image := tensor.Feature{Name: "image", DType: tensor.Float32, Shape: tensor.Shape{224, 224}}
	for _, c := range []struct {
		sig  *tensor.Signature
		want Example
	}{
		{signature("serving_default", floats("x", -1, 2)), Example{Verb: "predict", Body: `{"instances":[[0.0,0.0]]}`}},
		{signature("other", floats("a"), texts("b")), Example{Verb: "predict", Body: `{"inputs":{"a":0.0,"b":""},"signature_name":"other"}`}},
		{signature("serving_default", floats("x", -1, 224, 224)), Example{Verb: "predict", Why: "its inputs are large"}},
		{classify(), Example{Verb: "classify", Why: "neither its signature nor its graph tells which features an example has"}},
		{classify(age, words, pixels), Example{Verb: "classify", Body: `{"examples":[{"age":0,"pixels":[0.0,0.0,0.0,0.0],"words":""}]}`}},
		{classify(image), Example{Verb: "classify", Why: "its features are large"}},
	} {
		if got := ExampleOf(c.sig); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}
