package openapi

import (
	"encoding/json"
	"testing"
)

// With keys the document says which operations need one; without, it says nothing of them.
func TestSecurity(t *testing.T) {
	pages := []Page{{Path: "/healthz", Open: true}, {Path: "/metrics"}}
	for _, keys := range []bool{false, true} {
		doc, err := New(Options{Core: new(fakeCore), Pages: pages, Keys: keys}).render("")
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Security []map[string][]string
			Paths    map[string]struct {
				Get struct{ Security *[]any }
			}
			Components struct {
				SecuritySchemes map[string]struct{ Type, Scheme string }
			}
		}
		if err := json.Unmarshal(doc.body, &got); err != nil {
			t.Fatal(err)
		}
		if n := len(got.Security); (n == 1) != keys || (got.Components.SecuritySchemes["key"].Scheme == "bearer") != keys {
			t.Errorf("keys %v: %s", keys, doc.body)
		}
		if open := got.Paths["/healthz"].Get.Security; (open != nil) != keys || open != nil && len(*open) != 0 {
			t.Errorf("keys %v: /healthz says %v", keys, open)
		}
		if got.Paths["/metrics"].Get.Security != nil {
			t.Errorf("keys %v: /metrics says of itself what it needs", keys)
		}
	}
}
