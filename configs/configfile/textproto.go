package configfile

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shoal/configs"
	"shoal/internal/files"
)

// TextError is the error of a text proto that cannot be parsed. Its text begins like that of TensorFlow's parser, for which
// scripts search: Error parsing text-format tensorflow.serving.ModelServerConfig: line:column: what.
type TextError struct {
	Message string // full name of the message type
	File    string
	Line    int // 1-based; 0: unknown
	Column  int
	Reason  string
}

func (e *TextError) Error() string {
	return fmt.Sprintf("Error parsing text-format %s: %d:%d: %s (in %s)", e.Message, e.Line, e.Column, e.Reason, e.File)
}

// ReadText reads a text proto from a file into m. The error is of the file system or *TextError.
func ReadText(path string, m proto.Message) error { return readText(path, m, strictText) }

// readText reads a file into m.
func readText(path string, m proto.Message, mode textMode) error {
	data, err := files.Read(path, files.MaxConfig)
	if err != nil {
		return err
	}
	return parseText(path, data, m, mode)
}

// textMode says what is accepted beyond the language's grammar.
type textMode int

const (
	strictText    textMode = iota // a string ends on its line
	multilineText                 // a string may hold line breaks, as pasted PEM does
)

// parseText parses data into m; file is named in errors, which are *TextError.
func parseText(file string, data []byte, m proto.Message, mode textMode) error {
	text := bridge(data, mode)
	err := prototext.Unmarshal(text.out, m)
	if err == nil {
		return nil
	}
	e := &TextError{Message: string(m.ProtoReflect().Descriptor().FullName()), File: file}
	var open mark
	if e.Line, e.Column, e.Reason, open = text.locate(err); open.what != 0 {
		e.Reason = fmt.Sprintf("%s: %q opened at %d:%d is not closed", e.Reason, open.what, open.line, open.column)
	}
	e.Reason += hint(e.Reason, m.ProtoReflect().Descriptor())
	return e
}

// position is the form of a position in the parser's errors: "(line 3:14): ".
var position = regexp.MustCompile(`\(line (\d+):(\d+)\): (?s:(.*))`)

// locate finds line, column and reason in a parser's error. For an unexpected end it adds what is not closed.
func (t bridged) locate(err error) (line, column int, reason string, open mark) {
	// The parser varies the space after "proto:", so that its texts cannot be compared.
	reason = strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
	if found := position.FindStringSubmatch(reason); found != nil {
		_, _ = fmt.Sscan(found[1], &line)
		_, _ = fmt.Sscan(found[2], &column)
		return line, column, found[3], mark{}
	}
	if strings.Contains(reason, "unexpected EOF") {
		reason = "unexpected end of file"
	}
	if len(t.open) > 0 {
		open = t.open[len(t.open)-1]
	}
	return t.end.line, t.end.column, reason, open
}

var unknownField = regexp.MustCompile(`unknown field: ([A-Za-z0-9_]+)$`)

// hint adds what was probably intended.
func hint(reason string, d protoreflect.MessageDescriptor) string {
	if found := unknownField.FindStringSubmatch(reason); found != nil {
		if near := configs.Nearest(found[1], fieldNames(d)); near != "" {
			return fmt.Sprintf(" (did you mean %s?)", near)
		}
		return ""
	}
	switch {
	case strings.HasSuffix(reason, "field name: //"), strings.HasSuffix(reason, "field name: /"):
		return " (a comment begins with #)"
	case strings.ContainsAny(reason, "“”‘’"):
		return " (write plain quotes: \")"
	case strings.Contains(reason, "'\\n' in string"):
		return " (the quote is not closed on its line)"
	case strings.HasSuffix(reason, "scalar value: ]"):
		return " (no comma before ])"
	case strings.Contains(reason, "\u00a0"):
		return " (a no-break space, perhaps copied from a page)"
	}
	return ""
}

// fieldNames returns the names of all fields that a message can have, at any depth.
func fieldNames(d protoreflect.MessageDescriptor) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[protoreflect.FullName]bool{}
		var walk func(protoreflect.MessageDescriptor) bool
		walk = func(d protoreflect.MessageDescriptor) bool {
			if d == nil || seen[d.FullName()] {
				return true
			}
			seen[d.FullName()] = true
			for i := range d.Fields().Len() {
				f := d.Fields().Get(i)
				if !yield(string(f.Name())) || !walk(f.Message()) {
					return false
				}
			}
			return true
		}
		walk(d)
	}
}

// Blame adds to an error of reading a file where it belongs: to faults in the file its name, to errors of the file system the
// flag. A TextError already names the file, and its text must come first in the line.
func Blame(flag, path string, err error) error {
	if err == nil {
		return nil
	}
	if faults, ok := errors.AsType[configs.Faults](err); ok {
		named := make(configs.Faults, len(faults))
		for i, f := range faults {
			named[i] = path + ": " + f
		}
		return named
	}
	if _, ok := errors.AsType[*TextError](err); ok {
		return err
	}
	return configs.Faults{fmt.Sprintf("--%s: %v", flag, err)}
}
