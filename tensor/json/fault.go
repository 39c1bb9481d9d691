package json

// fault is a syntax error: RapidJSON's text and the offset it reports.
type fault struct {
	text string
	at   int
}

// RapidJSON's texts.
const (
	documentEmpty    = "The document is empty."
	valueInvalid     = "Invalid value."
	nameMissing      = "Missing a name for object member."
	colonMissing     = "Missing a colon after a name of object member."
	objectUnfinished = "Missing a comma or '}' after an object member."
	arrayUnfinished  = "Missing a comma or ']' after an array element."
	hexInvalid       = "Incorrect hex digit after \\u escape in string."
	surrogateInvalid = "The surrogate pair in string is invalid."
	escapeInvalid    = "Invalid escape character in string."
	quoteMissing     = "Missing a closing quotation mark in string."
	numberTooBig     = "Number too big to be stored in double."
	fractionMissing  = "Miss fraction part in number."
	exponentMissing  = "Miss exponent in number."
	rootFollowed     = "The document root must not be followed by other values."
)
