package v1

import (
	"net/url"
	"regexp"
	"strconv"
	"testing"
)

// What TensorFlow Serving matches with; the parser must agree with it on every ASCII path.
var (
	postPattern = regexp.MustCompile(`^(?i)/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)$`)
	getPattern  = regexp.MustCompile(`^(?i)/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:\/(metadata))?$`)
)

var escapedVerb = regexp.MustCompile(`(?i)%3A(classify|regress|predict)$`)

var pathSeeds = []string{
	"", "/", "/v1", "/v1/", "/v1/models", "/v1/models/", "/v1/models/m", "/V1/Models/m", "/v1/models/m/", "/v1/models//m", "/v1/modelsm",
	"/v1/models/m:predict", "/v1/models/m:classify", "/v1/models/m:regress", "/v1/models/m:PREDICT", "/v1/models/m:predict/", "/v1/models/m:", "/v1/models/:predict",
	"/v1/models/m/versions/3", "/v1/models/m/versions/3:predict", "/v1/models/m/VERSIONS/007:regress", "/v1/models/m/versions/", "/v1/models/m/versions/x:predict",
	"/v1/models/m/versions/3x", "/v1/models/m/versions/3/labels/l:predict", "/v1/models/m/labels/l:predict", "/v1/models/m/labels/l", "/v1/models/m/labels/:predict",
	"/v1/models/m/versions/9223372036854775807", "/v1/models/m/versions/9223372036854775808", "/v1/models/m/versions/99999999999999999999:predict", "/v1/models/m/versions/99999999999999999999:PREDICT",
	"/v1/models/m/metadata", "/v1/models/m/METADATA", "/v1/models/m/versions/2/metadata", "/v1/models/m/labels/l/metadata", "/v1/models/m/metadata/metadata",
	"/v1/models/metadata", "/v1/models/metadata/metadata", "/v1/models/versions", "/v1/models/versions/3", "/v1/models/versions/3/metadata", "/v1/models/versions/3/versions/3",
	"/v1/models/versions/metadata", "/v1/models/versions/versions/3", "/v1/models/labels/x", "/v1/models/labels/metadata", "/v1/models/labels/labels/metadata",
	"/v1/models/labels/metadata/metadata", "/v1/models/m/labels/metadata", "/v1/models/m/versions/99999999999999999999/metadata", "/v1/models/m:predict:predict",
	"/v1/models/m%3Apredict", "/v1/models/m/versions/3%3apredict", "/v1/models/m/labels/l%3Aregress", "/v1/models/a%3Ab%3Aclassify", "/v1/models/m%3APREDICT",
	"/v1/models/m%3Apredict:predict", "/v1/models/%3Apredict", "/v1/models/m%3Apredictx", "/v1/models/m%253Apredict", "/v1/models/m%3A", "%3Apredict",
	"/v1/models/a%2Fb%3ac%zz%", "/v1/models/m+n", "/v1/models/m%", "/v1/models/m%2", "/v1/models/%00",
}

// reference is the same parse by the patterns.
func reference(post bool, path string) (t target, err error) {
	pattern := getPattern
	if post {
		pattern = postPattern
	}
	m := pattern.FindStringSubmatch(path)
	if m == nil && post { // more than there
		m = pattern.FindStringSubmatch(escapedVerb.ReplaceAllString(path, ":$1"))
	}
	if m == nil {
		return target{}, nil
	}
	t.model, t.label = []byte(unescapeReference(m[1])), []byte(unescapeReference(m[3]))
	if m[2] != "" {
		if t.version, err = strconv.ParseInt(m[2], 10, 64); err != nil {
			return target{}, errVersionRange
		}
		t.hasVersion = true
	}
	switch {
	case post:
		t.action = map[string]action{"predict": doPredict, "classify": doClassify, "regress": doRegress}[m[4]]
	case m[1] == "" && path[len("/v1/models"):] == "":
		t.action = getList
	case m[1] == "":
		t.action = getUnnamed
	case m[4] == "metadata":
		t.action = getMetadata
	default:
		t.action = getStatus
	}
	return t, nil
}

var escape = regexp.MustCompile(`%[0-9a-fA-F]{2}`)

func unescapeReference(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		d, err := url.PathUnescape(e)
		if err != nil {
			panic(err)
		}
		return d
	})
}

func checkPath(t *testing.T, path string) {
	t.Helper()
	for _, post := range []bool{true, false} {
		parse := parseGet
		if post {
			parse = parsePost
		}
		got, err := parse([]byte(path))
		want, wantErr := reference(post, path)
		if err != wantErr {
			t.Errorf("%q post=%v: error %v, want %v", path, post, err, wantErr)
			continue
		}
		if err != nil {
			continue
		}
		if got.action != want.action || got.action != malformed && (string(got.model) != string(want.model) ||
			string(got.label) != string(want.label) || got.version != want.version || got.hasVersion != want.hasVersion) {
			t.Errorf("%q post=%v:\n got %+v\nwant %+v", path, post, got, want)
		}
	}
}

func TestPathAgreesWithPatterns(t *testing.T) {
	for _, path := range pathSeeds {
		checkPath(t, path)
	}
}

func FuzzPath(f *testing.F) {
	for _, path := range pathSeeds {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, c := range []byte(path) {
			if c >= 0x80 || c == '\n' { // the patterns fold Unicode, and $ is not the end before a line break
				return
			}
		}
		checkPath(t, path)
	})
}
