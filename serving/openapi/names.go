package openapi

import (
	"strconv"
	"strings"
	"unicode"
)

// names are those given so far, of schemas and of operations. Generators of clients make the names of classes, functions
// and files of them, and leave out an operation whose names are not its own. So no two differ in capitals or punctuation alone,
// and each is made of what it stands for: it is the same whatever else is served, unless it would be another's.
type names map[string]bool

// schema is a name like this one that no schema has, and that components take.
func (n names) schema(name string) string { return n.unique("schema", plain(name)) }

// operation is an ID like this one that no operation has.
func (n names) operation(id string) string { return n.unique("operation", plain(id)) }

func (n names) unique(kind, name string) string {
	unique := name
	for i := 2; n[kind+" "+folded(unique)]; i++ {
		unique = name + "-" + strconv.Itoa(i)
	}
	n[kind+" "+folded(unique)] = true
	return unique
}

// plain replaces what names of components may not have.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, name)
}

// oneOf is a text that is one of the values; any text where generators could not tell them apart, and would fail.
func oneOf(values []string) *schema {
	s := &schema{Type: "string"}
	seen := make(names)
	for _, v := range values {
		if seen.unique("value", v) != v {
			return s
		}
	}
	s.Enum = values
	return s
}

// folded is what generators tell names by, at most: letters and digits.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}
