package savedmodel

import "testing"

func TestMissing(t *testing.T) {
	const index, one = "variables/variables.index", "variables/variables.data-00000-of-00001"
	for _, c := range []struct {
		name    string
		files   []string
		missing string
	}{
		{"empty", []string{"assets/"}, "saved_model.pb"},
		{"variables first", []string{"variables/", index, one}, "saved_model.pb"},
		{"another file of this name", []string{"assets/saved_model.pb"}, "saved_model.pb"},
		{"no variables", []string{"saved_model.pb", "assets/vocabulary"}, ""},
		{"text form", []string{"saved_model.pbtxt"}, ""},
		{"chunked form", []string{"saved_model.cpb"}, ""},
		{"whole", []string{"saved_model.pb", "variables/", index, one}, ""},
		{"empty variables", []string{"saved_model.pb", "variables/"}, index},
		{"data before index", []string{"saved_model.pb", "variables/", one}, index},
		{"index before data", []string{"saved_model.pb", "variables/", index}, one},
		{"a copying tool's temporary name", []string{"saved_model.pb", "variables/", index, one + ".Xy12"}, one},
		{"one of two shards", []string{"saved_model.pb", "variables/", index, "variables/variables.data-00000-of-00002"}, "variables/variables.data-00001-of-00002"},
		{"both", []string{"saved_model.pb", "variables/", index, "variables/variables.data-00000-of-00002", "variables/variables.data-00001-of-00002"}, ""},
	} {
		if got := (Layout{}).Missing(c.files); got != c.missing {
			t.Errorf("%s: %q is missing, want %q", c.name, got, c.missing)
		}
	}
}
