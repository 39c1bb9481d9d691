package configs

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Faults is every fault found in a configuration, a line each; each line names the flag, variable or field and says what
// would be right. It is an error with the code INVALID_ARGUMENT.
type Faults []string

// Error lists the faults, one a line.
func (f Faults) Error() string { return strings.Join(f, "\n") }

// GRPCStatus makes a configuration's faults INVALID_ARGUMENT wherever errors are turned into codes.
func (f Faults) GRPCStatus() *status.Status { return status.New(codes.InvalidArgument, f.Error()) }

// addf adds one fault.
func (f *Faults) addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// take adds what err holds: its lines where it is Faults, else its text. A nil error adds nothing.
func (f *Faults) take(err error) {
	if err == nil {
		return
	}
	if more, ok := errors.AsType[Faults](err); ok {
		*f = append(*f, more...)
		return
	}
	*f = append(*f, err.Error())
}

// err is nil where there are no faults: a nil Faults in an error is not a nil error.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
