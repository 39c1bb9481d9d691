package v1

import (
	"bytes"
	"math"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/internal/ascii"
)

// errVersionRange is returned for a version number beyond int64. It is answered with an empty body, as TensorFlow
// Serving does.
var errVersionRange = status.Error(codes.InvalidArgument, "version number out of range")

// action is what a request under /v1/ asks for.
type action int

const (
	malformed action = iota // there is no such URL
	doPredict
	doClassify
	doRegress
	getStatus
	getMetadata
	getList    // GET /v1/models
	getUnnamed // GET of a version or label without a model
)

// target is a parsed URL. Model and label are percent-decoded and may share the URL's memory.
type target struct {
	action     action
	model      []byte
	label      []byte
	version    int64
	hasVersion bool
}

const modelsPrefix = "/v1/models"

// parsePost matches, without regard to case,
//
//	/v1/models/NAME[/versions/N|/labels/L]:(classify|regress|predict)
//
// The verb itself must then be in lower case. Its colon may be percent-encoded, as some clients do with all of them.
func parsePost(path []byte) (t target, err error) {
	t, err = matchPost(path)
	if i := bytes.LastIndexByte(path, '%'); t.action == malformed && err == nil && i >= 0 {
		if verb, ok := ascii.CutFold(path[i:], "%3a"); ok {
			return matchPost(slices.Concat(path[:i], []byte(":"), verb))
		}
	}
	return t, err
}

func matchPost(path []byte) (t target, err error) {
	rest, ok := ascii.CutFold(path, modelsPrefix)
	if !ok || len(rest) == 0 || rest[0] != '/' {
		return target{}, nil
	}
	model, rest := segment(rest[1:])
	if len(model) == 0 {
		return target{}, nil
	}
	t.model = unescape(model)
	digits, label, rest := cutVersion(rest)
	if len(rest) == 0 || rest[0] != ':' {
		return target{}, nil
	}
	verb := rest[1:]
	if !ascii.EqualFold(verb, "predict") && !ascii.EqualFold(verb, "classify") && !ascii.EqualFold(verb, "regress") {
		return target{}, nil
	}
	if err := t.setVersion(digits, label); err != nil {
		return target{}, err
	}
	switch string(verb) {
	case "predict":
		t.action = doPredict
	case "classify":
		t.action = doClassify
	case "regress":
		t.action = doRegress
	}
	return t, nil
}

// parseGet matches, without regard to case,
//
//	/v1/models[/NAME][/versions/N|/labels/L][/metadata]
//
// where each part is taken if it can be: /v1/models/metadata is the status of a model of that name. "metadata" that is not
// in lower case asks for the status.
func parseGet(path []byte) (t target, err error) {
	rest, ok := ascii.CutFold(path, modelsPrefix)
	if !ok {
		return target{}, nil
	}
	if len(rest) == 0 {
		return target{action: getList}, nil
	}
	if rest[0] != '/' {
		return target{}, nil
	}
	if model, tail := segment(rest[1:]); len(model) > 0 {
		if t, ok, err := parseGetTail(tail); ok {
			t.model = unescape(model)
			return t, err
		}
	}
	t, ok, err = parseGetTail(rest)
	if ok && err == nil {
		t.action = getUnnamed
	}
	return t, err
}

// parseGetTail matches what follows the model's name; ok is false if nothing matches.
func parseGetTail(path []byte) (t target, ok bool, err error) {
	digits, label, rest := cutVersion(path)
	if t.action, ok = subresource(rest); !ok {
		digits, label = nil, nil
		if t.action, ok = subresource(path); !ok {
			return target{}, false, nil
		}
	}
	return t, true, t.setVersion(digits, label)
}

func subresource(path []byte) (action, bool) {
	switch {
	case string(path) == "/metadata":
		return getMetadata, true
	case len(path) == 0, ascii.EqualFold(path, "/metadata"):
		return getStatus, true
	}
	return malformed, false
}

// cutVersion removes /versions/N or /labels/L from the beginning, if it is there.
func cutVersion(path []byte) (digits, label, rest []byte) {
	if after, ok := ascii.CutFold(path, "/versions/"); ok {
		n := 0
		for n < len(after) && after[n] >= '0' && after[n] <= '9' {
			n++
		}
		if n > 0 {
			return after[:n], nil, after[n:]
		}
	} else if after, ok := ascii.CutFold(path, "/labels/"); ok {
		if label, rest := segment(after); len(label) > 0 {
			return nil, label, rest
		}
	}
	return nil, nil, path
}

func (t *target) setVersion(digits, label []byte) error {
	t.label = unescape(label)
	for _, d := range digits {
		n := int64(d - '0')
		if t.version > (math.MaxInt64-n)/10 {
			return errVersionRange
		}
		t.version = t.version*10 + n
	}
	t.hasVersion = len(digits) > 0
	return nil
}

// segment splits at the first slash or colon.
func segment(path []byte) (head, rest []byte) {
	if i := bytes.IndexAny(path, "/:"); i >= 0 {
		return path[:i], path[i:]
	}
	return path, nil
}

// unescape decodes %XX. It does not change a percent sign without two hexadecimal digits after it, nor a plus.
func unescape(s []byte) []byte {
	if bytes.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
