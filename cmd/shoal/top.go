package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"shoal/configs"
	"shoal/loadtest/bench"
)

const topUsage = `usage: shoal top [flags] [TARGET]

Shows what a server does, as its status page does, once a second: models, versions, requests, latencies, queues, devices.
TARGET is localhost:8501, or the URL of the status page; q or Ctrl+C ends it.

%s`

// topRetry is the pause before a connection that was lost is tried again.
const topRetry = time.Second

// top shows a server's main figures in a terminal; without one it prints them below each other.
func top(args []string, stdout, stderr io.Writer) error {
	fs, once, key := topFlags()
	rest, err := configs.ParseFlags(fs, args)
	if errors.Is(err, configs.ErrHelp) {
		fmt.Fprintf(stdout, topUsage, fs.FlagUsagesWrapped(110))
		return nil
	}
	if err != nil {
		return usageError(err)
	}
	target := "localhost:8501"
	if len(rest) > 1 {
		return usageError(errors.New("one server at a time: shoal top [TARGET]"))
	} else if len(rest) == 1 {
		target = rest[0]
	}
	address, err := statusURL(target)
	if err != nil {
		return usageError(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	screen := newScreen(stdout)
	if *once {
		screen = &plainScreen{out: stdout}
		ctx, stop = context.WithCancel(ctx)
		defer stop()
	}
	defer screen.close()
	screen.keys(stop)

	connected := false
	for {
		err := followStatus(ctx, address, cmp.Or(*key, os.Getenv(keyVariable)), func(r *topReading) {
			if r.Tick == nil || ctx.Err() != nil {
				return // nothing was measured yet, or enough was shown
			}
			connected = true
			screen.show(topView(target, r, screen.width()), r.Tick.At)
			if *once {
				stop()
			}
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case !connected && bench.IsGRPC(ctx, address):
			return fmt.Errorf("%s is a gRPC port: top needs the REST port, by default 8501", target)
		case !connected || errors.Is(err, errNoStatusPage):
			return endOr(err)
		case err != nil:
			screen.note(fmt.Sprintf("connection lost, trying again: %v", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(topRetry):
		}
	}
}

func topFlags() (fs *pflag.FlagSet, once *bool, key *string) {
	fs = pflag.NewFlagSet("top", pflag.ContinueOnError)
	once = fs.Bool("once", false, "print the figures of the last second, and end")
	key = fs.String("api_key", "", "the `KEY` for administration of a server that asks for one; "+keyVariable+" is safer: other users can see command lines")
	return fs, once, key
}

// endOr is err, or what to say where a stream ended before it told anything.
func endOr(err error) error {
	if err == nil {
		return errors.New("the server ended the connection: it is shutting down")
	}
	return err
}
