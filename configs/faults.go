package configs

import (
	"errors"
	"fmt"
	"strings"
)

// Faults is every fault found in a configuration, a line each; each line names the flag, variable or field and says what
// would be right.
type Faults []string

// Error lists the faults, one a line.
func (f Faults) Error() string { return strings.Join(f, "\n") }

// Addf adds one fault.
func (f *Faults) Addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// Take adds what err holds: its lines where it is Faults, else its text. A nil error adds nothing.
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

// Err is nil where there are no faults: a nil Faults in an error is not a nil error.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
