package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"google.golang.org/grpc/status"

	"shoal/configs"
	"shoal/engine/tensorflow"
)

func versionText() string {
	return fmt.Sprintf("shoal %s\nTensorFlow Library: %s", version, tensorflow.Version())
}

func printVersion(args []string, stdout, _ io.Writer) error {
	if fs := pflag.NewFlagSet("version", pflag.ContinueOnError); len(args) > 0 {
		rest, err := configs.ParseFlags(fs, args)
		switch {
		case errors.Is(err, configs.ErrHelp):
			_, err = fmt.Fprint(stdout, "usage: shoal version\n\nPrints the versions of shoal and of TensorFlow.\n")
			return err
		case err != nil:
			return usageError(err)
		case len(rest) > 0:
			return usageError(fmt.Errorf("%q: version takes no arguments", rest[0]))
		}
	}
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
