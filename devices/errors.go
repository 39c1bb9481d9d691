package devices

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrLost is returned (wrapped) when a GPU no longer answers: it fell off the bus, needs a reset, or its driver is gone. It
// may come back.
var ErrLost = errors.New("the GPU is lost")

// ErrUnsupported is returned (wrapped) for what a device or driver does not offer.
var ErrUnsupported = errors.New("not supported by this GPU or driver")

// AbsentError is returned by Manager.Open where there are no GPUs to manage: no library, no driver, no GPU. That is an
// ordinary case, and the reason is for people to read.
type AbsentError struct{ Reason string }

func (e *AbsentError) Error() string { return e.Reason }

// Error is every fault found in a choice of devices, or why a device cannot take a model; one fault a line.
type Error struct {
	Code   codes.Code
	Faults []string
}

func (e *Error) Error() string { return strings.Join(e.Faults, "\n") }

// GRPCStatus gives the error its code wherever errors are turned into codes.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Error()) }

func errorf(code codes.Code, format string, args ...any) *Error {
	return &Error{Code: code, Faults: []string{fmt.Sprintf(format, args...)}}
}

// faultf is one fault of a user's input.
func faultf(format string, args ...any) *Error { return errorf(codes.InvalidArgument, format, args...) }

// faults collects what is wrong with a user's input.
type faults []string

func (f *faults) addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// take adds what err holds, with prefix before each line. A nil error adds nothing.
func (f *faults) take(prefix string, err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		*f = append(*f, prefix+strings.TrimSuffix(line, "\n"))
	}
}

// err is nil where there are no faults, else INVALID_ARGUMENT.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Code: codes.InvalidArgument, Faults: f}
}
