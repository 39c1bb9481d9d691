package v2

import (
	"net/url"
	"strings"
)

// prefix is that of all paths.
const prefix = "/v2"

// action is what a request asks for.
type action int

const (
	unknown action = iota // no such path
	serverMetadata
	serverLive
	serverReady
	modelReady
	modelMetadata
	modelConfig
	statistics
	infer
	index
	load
	unload
	logSettings
	traceSettings
)

// target is a parsed path. The version is a number, a label of the model, or "" for the newest.
type target struct {
	action         action
	model, version string
}

// ofModel are the actions by what follows /v2/models/M[/versions/V].
var ofModel = map[string]action{
	"": modelMetadata, "/ready": modelReady, "/config": modelConfig, "/stats": statistics, "/infer": infer,
	"/trace/setting": traceSettings,
}

// parse matches
//
//	/v2
//	/v2/health/live, /v2/health/ready
//	/v2/models/stats
//	/v2/models/M[/versions/V][/ready|/config|/stats|/infer|/trace/setting]
//	/v2/logging, /v2/trace/setting
//	/v2/repository[/R]/index
//	/v2/repository[/R]/models/M/(load|unload)
//
// and may end in a slash. ok is false if nothing matches.
func parse(raw []byte) (t target, ok bool) {
	path := strings.TrimSuffix(string(raw[len(prefix):]), "/")
	switch path {
	case "":
		return target{action: serverMetadata}, true
	case "/health/live":
		return target{action: serverLive}, true
	case "/health/ready":
		return target{action: serverReady}, true
	case "/models/stats":
		return target{action: statistics}, true
	case "/logging":
		return target{action: logSettings}, true
	case "/trace/setting":
		return target{action: traceSettings}, true
	}
	if rest, ok := strings.CutPrefix(path, "/models/"); ok {
		t.model, rest = segment(rest)
		if version, ok := strings.CutPrefix(rest, "/versions/"); ok {
			if t.version, rest = segment(version); t.version == "" {
				return target{}, false
			}
		}
		t.action, ok = ofModel[rest]
		return t, ok && t.model != ""
	}
	if rest, ok := strings.CutPrefix(path, "/repository"); ok {
		return parseRepository(rest)
	}
	return target{}, false
}

// parseRepository matches what follows /v2/repository. There is one repository, whatever it is called.
func parseRepository(path string) (t target, ok bool) {
	if !strings.HasPrefix(path, "/models/") && path != "/index" {
		if path, ok = strings.CutPrefix(path, "/"); !ok {
			return target{}, false
		}
		_, path = segment(path)
	}
	if path == "/index" {
		return target{action: index}, true
	}
	path, ok = strings.CutPrefix(path, "/models/")
	t.model, path = segment(path)
	switch path {
	case "/load":
		t.action = load
	case "/unload":
		t.action = unload
	}
	return t, ok && t.action != unknown && t.model != ""
}

// segment splits at the first slash, and decodes what comes before it.
func segment(path string) (head, rest string) {
	if i := strings.IndexByte(path, '/'); i >= 0 {
		path, rest = path[:i], path[i:]
	}
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	return path, rest
}
