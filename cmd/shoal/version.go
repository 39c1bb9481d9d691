package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/status"

	"shoal/savedmodel"
)

func versionText() string {
	return fmt.Sprintf("shoal %s\nTensorFlow Library: %s", version, savedmodel.Version())
}

func printVersion(_ []string, stdout, _ io.Writer) error {
	_, err := fmt.Fprintln(stdout, versionText())
	return err
}

// usageOrHelp keeps a request for help apart from a wrong flag.
func usageOrHelp(err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return usageError(err)
}

// plain takes the gRPC wording off an error that is shown to a person.
func plain(err error) error {
	if s, ok := status.FromError(err); ok && err != nil {
		return errors.New(s.Message())
	}
	return err
}
