package access

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// MinKey is the shortest key: one that is shorter can be guessed.
const MinKey = 16

// MaxFile bounds the file of keys.
const MaxFile = 1 << 20

// Faults is every fault of a file of keys, each with its line. No fault quotes a key.
type Faults []string

// Error lists the faults, one a line.
func (f Faults) Error() string { return strings.Join(f, "\n") }

// GRPCStatus makes them INVALID_ARGUMENT, as a configuration's other faults.
func (f Faults) GRPCStatus() *status.Status { return status.New(codes.InvalidArgument, f.Error()) }

// parse reads lines of the form
//
//	predict KEY [NAME]
//	admin   KEY [NAME]
//
// Empty lines and lines that begin with # are left out; NAME is for those who read the file.
func parse(content []byte) ([]entry, error) {
	var entries []entry
	var faults Faults
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
	}
	if len(content) > MaxFile {
		return nil, Faults{fmt.Sprintf("the file is larger than %d bytes", MaxFile)}
	}
	seen := map[digest]int{}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		words := strings.Fields(strings.TrimPrefix(line, "\ufeff"))
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		role := map[string]Role{"predict": Predict, "admin": Admin}[words[0]]
		switch {
		case role == Nobody: // the word may be a key: it is not repeated
			fault(number, "it must begin with predict or admin, as in: predict KEY")
			continue
		case len(words) == 1:
			fault(number, "%s has no key: write %s KEY", role, role)
			continue
		case len(words) > 3 && !strings.HasPrefix(words[2], "#"):
			fault(number, "it has more than three words: write %s KEY NAME", role)
			continue
		case len(words[1]) < MinKey:
			fault(number, "the key has %d characters and must have %d or more: openssl rand -hex 32 makes one", len(words[1]), MinKey)
			continue
		case strings.Trim(words[1], tokenCharacters) != "":
			fault(number, "a key consists of letters, digits and - . _ ~ + / =")
			continue
		}
		e := entry{role: role, key: sha256.Sum256([]byte(words[1]))}
		if first := seen[e.key]; first > 0 {
			fault(number, "it has the same key as line %d", first)
			continue
		}
		seen[e.key] = number
		entries = append(entries, e)
	}
	if len(entries) == 0 && len(faults) == 0 {
		faults = Faults{"the file lists no key: write predict KEY or admin KEY"}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return entries, nil
}

// tokenCharacters are those that an Authorization header's token may have.
const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
