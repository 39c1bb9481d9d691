package json

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"shoal/tensor"
)

func TestCursor(t *testing.T) {
	c := NewCursor([]byte("\xef\xbb\xbf {\"a\": [1, -2.5, \"x\\ny\", true, null], \"b\\u0062\":{}, \"c\" : [] } "))
	var seen []string
	err := c.Object(func(name []byte) error {
		seen = append(seen, string(name))
		if c.Next() != '[' {
			return c.Skip()
		}
		return c.Array(func(int) error {
			s, err := c.Scalar()
			n, whole := s.Int64()
			_, positive := s.Uint64()
			b, isBool := s.Bool()
			v := 0.0
			if s.IsNumber() {
				v = s.Float64()
			}
			seen = append(seen, fmt.Sprint(string(s.First), string(s.Text), n, whole, positive, b, isBool, v, s.IsString()))
			return err
		})
	})
	if err == nil {
		err = c.End()
	}
	want := []string{"a", "1 1 true true false false 1 false", "- -2 false false false false -2.5 false", "\"x\ny0 false false false false 0 true",
		"t 0 false false true true 0 false", "n 0 false false false false 0 false", "bb", "c"}
	for i := range seen { // Sprint puts no blanks between strings
		if i < len(want) && strings.ReplaceAll(seen[i], " ", "") != strings.ReplaceAll(want[i], " ", "") {
			t.Errorf("%d: got %q, want %q", i, seen[i], want[i])
		}
	}
	if err != nil || len(seen) != len(want) {
		t.Errorf("%v, %q", err, seen)
	}
}

func TestCursorErrors(t *testing.T) {
	for body, want := range map[string]string{
		``: "The document is empty. 0", `{`: "Missing a name for object member. 1", `{"a"}`: "Missing a colon after a name of object member. 4",
		`{"a":}`: "Invalid value. 5", `{"a":[1,]}`: "Invalid value. 8", `{"a":[1 2]}`: "Missing a comma or ']' after an array element. 8",
		`{"a":[1]`: "Missing a comma or '}' after an object member. 8", `{"a":[1]} x`: "The document root must not be followed by other values. 10",
		`{"a":["x"]}`: "value 6", `{"a":[1e9999]}`: "Number too big to be stored in double. 6",
	} {
		arena := tensor.NewArena()
		c := NewCursor([]byte(body))
		err := c.Object(func([]byte) error {
			_, err := c.Tensor(tensor.Float32, arena)
			return err
		})
		if err == nil {
			err = c.End()
		}
		arena.Free()
		got := fmt.Sprint(err)
		if s, ok := errors.AsType[*SyntaxError](err); ok {
			got = fmt.Sprint(s.Text, " ", s.Offset)
		}
		if v, ok := errors.AsType[*ValueError](err); ok {
			got = fmt.Sprint("value ", v.Offset)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

// FuzzCursorTensor compares the fast path with the one for lists of any form, which an empty list in front of the value enforces.
func FuzzCursorTensor(f *testing.F) {
	for _, s := range []string{"[1,2.5,-3e4]", "[[1,2],[3,4]]", `["a","\u00e4"]`, "[true,false]", "7", "[[[]]]", "[1,[2]]", "[1,", "[128]", `[{"b64":"aGk="}]`} {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Int8, tensor.Uint64, tensor.String, tensor.Bool, tensor.Float16} {
			f.Add([]byte(s), int32(d))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, d int32) {
		if uint32(d) >= uint32(len(specs)) || !tensor.DType(d).Known() {
			t.Skip()
		}
		arena := tensor.NewArena()
		defer arena.Free()
		c := NewCursor(body)
		body = body[c.At():] // less a byte order mark
		got, err := c.Tensor(tensor.DType(d), arena)
		slow := NewCursor(fmt.Appendf(nil, "[[],%s]", body))
		want, slowErr := slow.Tensor(tensor.DType(d), arena)
		if err != nil || c.End() != nil {
			return
		}
		if slowErr != nil || got.Len() != want.Len() || string(got.Data) != string(want.Data) || !slices.EqualFunc(got.Strings, want.Strings, bytes.Equal) {
			t.Errorf("%s as %v: %v, and in a list %v, %v", body, tensor.DType(d), got, want, slowErr)
		}
	})
}
