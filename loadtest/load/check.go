package load

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"math"
	"sync"
)

// Answers checks answers against what is right for each body. Numbers may differ by the tolerance: the same model rounds
// differently in batches of different sizes. Equal bytes are seen at once; others are parsed, and remembered once found right.
type Answers struct {
	Tolerance float64 // relative to the larger of 1 and the number
	parse     func([]byte) (any, error)
	seed      maphash.Seed
	mu        sync.RWMutex
	right     []any // by body; nil: the first answer will be
	known     map[known]struct{}
}

type known struct {
	body int
	hash uint64
}

// maxKnown bounds the memory of answers that were found right.
const maxKnown = 100_000

// DefaultTolerance suits float32 models.
const DefaultTolerance = 1e-3

// NewAnswers checks answers that parse turns into numbers, texts, lists and maps, as encoding/json does. references are the
// right answers by body; where there is none, the first answer to a body is the reference for all others.
func NewAnswers(bodies int, references [][]byte, parse func([]byte) (any, error)) (*Answers, error) {
	a := &Answers{Tolerance: DefaultTolerance, parse: parse, seed: maphash.MakeSeed(), right: make([]any, bodies), known: map[known]struct{}{}}
	for i, ref := range references {
		v, err := parse(ref)
		if err != nil {
			return nil, err
		}
		a.right[i] = v
	}
	return a, nil
}

// ParseJSON is the parser of REST answers.
func ParseJSON(b []byte) (v any, err error) {
	err = json.NewDecoder(bytes.NewReader(b)).Decode(&v)
	return v, err
}

// Check compares the answer with the reference.
func (a *Answers) Check(body int, answer []byte) bool {
	k := known{body, maphash.Bytes(a.seed, answer)}
	a.mu.RLock()
	_, ok := a.known[k]
	a.mu.RUnlock()
	if ok {
		return true
	}
	v, err := a.parse(answer)
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.right[body] == nil {
		a.right[body] = v
	} else if !a.near(a.right[body], v) {
		return false
	}
	if len(a.known) < maxKnown {
		a.known[k] = struct{}{}
	}
	return true
}

func (a *Answers) near(want, got any) bool {
	switch w := want.(type) {
	case float64:
		g, ok := got.(float64)
		return ok && (w == g || math.IsNaN(w) && math.IsNaN(g) || math.Abs(w-g) <= a.Tolerance*max(1, math.Abs(w)))
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for i := range w {
			if !a.near(w[i], g[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(w) != len(g) {
			return false
		}
		for name := range w {
			if other, ok := g[name]; !ok || !a.near(w[name], other) {
				return false
			}
		}
		return true
	}
	return want == got
}
