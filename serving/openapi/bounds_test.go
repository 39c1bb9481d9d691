package openapi

import (
	"strings"
	"testing"

	"shoal/tensor"
)

// Signatures with shapes of any size have a place in a document that stays small, and leave the others theirs.
func TestLargeShapes(t *testing.T) {
	core := new(fakeCore)
	core.load("good", 1, nil, signature("serving_default", floats("x", -1, 2)))
	core.load("overflow", 1, nil, signature("serving_default", floats("x", -1, 1<<62, 1<<62)))
	core.load("huge", 1, nil, signature("serving_default", floats("x", -1, 400_000_000, -1)))
	core.load("large", 1, nil, signature("serving_default", floats("x", -1, 2_000_000, -1)))
	core.load("nested", 1, nil, signature("serving_default", floats("x", make(tensor.Shape, maxRank+1)...)))
	code, _, body := ask(t, New(Options{Core: core}), "GET", Path, "")
	if code != 200 || len(body) > 40<<10 {
		t.Fatalf("%d, %d bytes", code, len(body))
	}
	doc := read(t, body)
	want := "/v1/models/good/versions/1:predict /v1/models/good:predict /v1/models/huge/versions/1:predict /v1/models/huge:predict " +
		"/v1/models/large/versions/1:predict /v1/models/large:predict /v1/models/overflow/versions/1:predict /v1/models/overflow:predict"
	if got := strings.Join(paths(doc), " "); got != want {
		t.Errorf("paths %s", got)
	}
	for path, examples := range map[string]int{"good": 1, "overflow": 0, "huge": 0, "large": 0} {
		if got := doc.Paths["/v1/models/"+path+":predict"].Post.Body.Content[contentJSON].Examples; len(got) != examples {
			t.Errorf("%s: examples %v", path, got)
		}
	}
	if !strings.Contains(body, "As many as 4611686018427387904: more than can be sent.") {
		t.Error("nothing says why an array's length is open")
	}
}

// TestShort holds examples to what can be read, however the size comes about.
func TestShort(t *testing.T) {
	for shape, want := range map[*tensor.Shape]bool{
		{}: true, {-1, 64}: true, {8, -1, 8}: true, {0, 64}: true,
		{-1, 65}: false, {-1, 9, 9}: false, {1 << 62, 1 << 62}: false, {1 << 32, 1 << 32}: false, {-1, 400_000_000, -1}: false,
	} {
		if short(*shape) != want {
			t.Errorf("%v: %v", *shape, !want)
		}
	}
	if long := make(tensor.Shape, 100_000); short(long) {
		t.Error("lists nested so deeply are not read")
	}
}

// A model that cannot be described is named, and the others are described.
func TestOneModelsTrouble(t *testing.T) {
	one := func(model string, sig *tensor.Signature) served {
		return served{model: model, versions: []servedVersion{{number: 1, signatures: []*tensor.Signature{sig}}}}
	}
	// A nil signature stands for an error that is not known yet.
	made := New(Options{}).make([]served{one("odd", nil), one("good", signature("serving_default", floats("x", -1)))})
	doc := read(t, string(made.body))
	if doc.Paths["/v1/models/good:predict"].Post == nil || !strings.Contains(doc.Info.Description, "error of the server: odd") {
		t.Errorf("%s", made.body)
	}
}
