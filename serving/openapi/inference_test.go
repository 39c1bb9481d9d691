package openapi

import "testing"

// TestInference: the protocol's paths have an example for the default signature of a model that is there.
func TestInference(t *testing.T) {
	core := new(fakeCore)
	d := New(Options{Core: core})
	_, _, body := ask(t, d, "GET", Path, "")
	if doc := read(t, body); doc.Paths["/v2/health/ready"].Get == nil || doc.Paths["/v2/models/{model}"].Get != nil {
		t.Errorf("without models: %s", body)
	}
	core.load("m", 1, nil, signature("serving_default", floats("x", -1, 2)))
	_, _, body = ask(t, d, "GET", Path, "")
	doc := read(t, body)
	for _, path := range []string{"/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"} {
		post := doc.Paths[path].Post
		if post == nil {
			t.Fatalf("no %s: %s", path, body)
		}
		want := `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0,0]}]}`
		if got := string(post.Body.Content[contentJSON].Examples["zeros"].Value); got != want {
			t.Errorf("%s: example %s, want %s", path, got, want)
		}
	}
}
