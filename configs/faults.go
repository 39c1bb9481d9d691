package configs

import (
	"errors"
	"fmt"
	"strings"
)

// Faults lists every fault of a configuration, one per line. Each names the flag, variable or field and says what would be right.
type Faults []string

// Error lists the faults, one per line.
func (f Faults) Error() string { return strings.Join(f, "\n") }

// Addf adds one fault.
func (f *Faults) Addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// Take adds err: its lines if it is Faults, otherwise its text. A nil error adds nothing.
func (f *Faults) Take(err error) {
	if err == nil {
		return
	}
	if more, ok := errors.AsType[Faults](err); ok {
		*f = append(*f, more...)
		return
	}
	*f = append(*f, err.Error())
}

// Err returns the faults as an error, or nil if there are none. (A nil Faults in an error would not be a nil error.)
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
