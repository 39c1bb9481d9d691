package devices

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrLost is returned (wrapped) when a GPU no longer answers: it has left the bus, needs a reset, or its driver is gone. It may
// return.
var ErrLost = errors.New("the GPU is lost")

// ErrUnsupported is returned (wrapped) for what a device or driver does not offer.
var ErrUnsupported = errors.New("not supported by this GPU or driver")

// AbsentError is returned by Manager.Open if there are no GPUs to manage: no library, no driver, no GPU. This is an ordinary
// case. Reason is a text for users.
type AbsentError struct{ Reason string }

func (e *AbsentError) Error() string { return e.Reason }

// Error lists every fault of a choice of devices, or why a device cannot take a model, with one fault per line.
type Error struct {
	Code   codes.Code
	Faults []string
}

func (e *Error) Error() string { return strings.Join(e.Faults, "\n") }

// GRPCStatus returns the error's code and text.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Error()) }

func errorf(code codes.Code, format string, args ...any) *Error {
	return &Error{Code: code, Faults: []string{fmt.Sprintf(format, args...)}}
}

// faultf makes one fault of a user's input.
func faultf(format string, args ...any) *Error { return errorf(codes.InvalidArgument, format, args...) }

// faults collects the faults of a user's input.
type faults []string

func (f *faults) addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// take adds the lines of err, with prefix before each. A nil error adds nothing.
func (f *faults) take(prefix string, err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		*f = append(*f, prefix+strings.TrimSuffix(line, "\n"))
	}
}

// err returns INVALID_ARGUMENT, or nil if there are no faults.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Code: codes.InvalidArgument, Faults: f}
}
