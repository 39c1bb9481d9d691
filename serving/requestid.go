package serving

import "crypto/rand"

// RequestIDHeader carries a request's id, in REST's headers and (in lower case) in gRPC's metadata, in both directions.
const RequestIDHeader = "X-Request-Id"

// maxRequestID bounds an id that a client sends, in bytes.
const maxRequestID = 128

// ValidRequestID reports whether a client's id may be echoed and written into logs: visible ASCII characters, not too many.
func ValidRequestID[T string | []byte](id T) bool {
	if len(id) == 0 || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// NewRequestID makes an id, unique for all purposes.
func NewRequestID() string { return rand.Text() }
