package manager

import (
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// The texts are TensorFlow Serving's: clients and scripts look for them.

func errNotServed(spec serving.ModelSpec) error {
	return status.Errorf(codes.NotFound, "Servable not found for request: %s", spec)
}

func errUnknownLabel(label string) error {
	return status.Errorf(codes.InvalidArgument, "Unrecognized servable version label: %s", label)
}

func errLabelUnavailable(model string, version int64) error {
	return status.Errorf(codes.FailedPrecondition,
		"Request to assign label to version %d of model %s, which is not currently available for inference", version, model)
}

func errNoVersions(model string) error {
	return status.Errorf(codes.NotFound, "Could not find any versions of model %s", model)
}

func errNoVersion(model string, version int64) error {
	return status.Errorf(codes.NotFound, "Could not find version %d of model %s", version, model)
}

func errListedTwice(model string) error {
	return status.Errorf(codes.InvalidArgument, "Illegal to list model %s multiple times in config list", model)
}

func errPlatformChanged(model, was, now string) error {
	return status.Errorf(codes.InvalidArgument,
		"Illegal to change a model's platform. For model %s platform was %s and new platform requested is %s", model, was, now)
}

var (
	errShutDown  = status.Error(codes.Unavailable, "the server is shutting down")
	errCancelled = status.Error(codes.Canceled, "Loading of servable cancelled")
)

// describe is an error as TensorFlow prints a status inside another text: CODE_NAME: message.
func describe(err error) string {
	s := status.Convert(err)
	return code.Code(s.Code()).String() + ": " + s.Message()
}
