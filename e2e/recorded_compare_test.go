package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// fromKernel tells texts that a TensorFlow kernel made, which name nodes of the graph, or that print a whole SignatureDef.
func fromKernel(text string) bool {
	return strings.Contains(text, "[[") || strings.Contains(text, "key: \"") || strings.Contains(text, "tensor_shape")
}

// alike compares such texts up to the first node name or line break.
func alike(a, b string) bool {
	cut := func(s string) string {
		s, _, _ = strings.Cut(s, "\n")
		s, _, _ = strings.Cut(s, "{{")
		s, _, _ = strings.Cut(s, "key: \"")
		return strings.TrimSpace(s)
	}
	return cut(a) == cut(b)
}

// parseLenient parses JSON with the tokens NaN, Infinity and -Infinity, which become strings that no text can be.
func parseLenient(raw []byte, v any) error {
	var b bytes.Buffer
	inString := false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case inString:
			b.WriteByte(c)
			if c == '\\' && i+1 < len(raw) {
				i++
				b.WriteByte(raw[i])
			} else if c == '"' {
				inString = false
			}
			continue
		case c == '"':
			inString = true
		}
		found := false
		for _, tok := range []string{"NaN", "-Infinity", "Infinity"} {
			if !inString && bytes.HasPrefix(raw[i:], []byte(tok)) {
				fmt.Fprintf(&b, "%q", "\u2400"+tok)
				i += len(tok) - 1
				found = true
				break
			}
		}
		if !found {
			b.WriteByte(c)
		}
	}
	d := json.NewDecoder(&b)
	d.UseNumber()
	return d.Decode(v)
}

// compare finds the first difference by value: integers exactly, others as float32, or as float64 up to the last bit.
func compare(g, w any, double bool) string {
	switch w := w.(type) {
	case map[string]any:
		gm, ok := g.(map[string]any)
		if !ok || len(gm) != len(w) {
			return fmt.Sprintf("%v instead of %v", g, w)
		}
		for k := range w {
			if diff := compare(gm[k], w[k], double); diff != "" {
				return k + ": " + diff
			}
		}
		return ""
	case []any:
		gl, ok := g.([]any)
		if !ok || len(gl) != len(w) {
			return fmt.Sprintf("%v instead of %v", g, w)
		}
		for i := range w {
			if diff := compare(gl[i], w[i], double); diff != "" {
				return fmt.Sprintf("[%d]: %s", i, diff)
			}
		}
		return ""
	case json.Number:
		gn, ok := g.(json.Number)
		if ok && (gn == w || sameFloat(gn.String(), w.String(), double)) {
			return ""
		}
	default:
		if g == w {
			return ""
		}
	}
	return fmt.Sprintf("%v instead of %v", g, w)
}

func sameFloat(a, b string, double bool) bool {
	if !strings.ContainsAny(b, ".eE") {
		return false // integers are exact
	}
	bits := 32
	if double {
		bits = 64
	}
	x, err1 := strconv.ParseFloat(a, bits)
	y, err2 := strconv.ParseFloat(b, bits)
	return err1 == nil && err2 == nil && (x == y || double && (math.Nextafter(x, y) == y))
}
