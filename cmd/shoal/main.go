// Command shoal serves TensorFlow SavedModels over REST and gRPC, batching requests as they come.
//
// Called as tensorflow_model_server it behaves as "shoal serve", with the same flags.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"shoal/configs"
	"shoal/loadtest/bench"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

// A command is one word after shoal. It returns the process's exit error; usage errors are wrapped in errUsage.
type command struct {
	name, summary string
	run           func(args []string, stdout, stderr io.Writer) error
	flags         func() *pflag.FlagSet // for completion; nil: none
	takes         string                // beside flags: "directory", "target", words, or nothing
}

func commands() []command {
	return []command{
		{"serve", "serve models over REST and gRPC", serve, serveFlags, ""},
		{"inspect", "print a SavedModel's signatures and an example request", inspect, func() *pflag.FlagSet { fs, _, _, _ := inspectFlags(); return fs }, "directory"},
		{"check", "validate flags and configuration files without serving", check, serveFlags, ""},
		{"tune", "measure a SavedModel and recommend batch size, instances and threads", tuneModel, new(tuneConfig).flags, "directory"},
		{"bench", "send load to a server and report throughput and latency", loadTest, func() *pflag.FlagSet { return benchFlags(new(bench.Config)) }, "target"},
		{"top", "show a running server's figures in the terminal", top, func() *pflag.FlagSet { fs, _, _ := topFlags(); return fs }, "target"},
		{"devices", "list the CPU and GPUs, and what serve would use", listDevices, func() *pflag.FlagSet { fs, _, _, _ := deviceFlags(); return fs }, ""},
		{"completion", "print the completion of commands and flags for bash, zsh or fish", completion, nil, "bash zsh fish"},
		{"version", "print the versions of shoal and of TensorFlow", printVersion, nil, ""},
	}
}

// errUsage marks a wrong command line: exit code 2, as is the custom.
var errUsage = errors.New("usage")

func main() {
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "tensorflow_model_server" {
		args = append([]string{"serve"}, args...)
	}
	os.Exit(run(args, os.Stdout, os.Stderr))
}

// run executes the command and returns the exit code: 0, 1 for a failure, 2 for a wrong command line.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[0] == "help" {
		args = []string{args[1], "--help"}
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(stdout)
		return 0
	}
	if args[0] == "--version" {
		args[0] = "version"
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(args[1:], stdout, stderr)
		switch {
		case err == nil, errors.Is(err, pflag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			fmt.Fprintf(stderr, "shoal %s: %s\n", c.name, strings.TrimSuffix(err.Error(), "\n"+errUsage.Error()))
			return 2
		default:
			fmt.Fprintf(stderr, "shoal %s: %v\n", c.name, err)
			return 1
		}
	}
	if strings.HasPrefix(args[0], "-") {
		fmt.Fprintf(stderr, "shoal: %s comes after a command; did you mean \"shoal serve %s\"?\n", args[0], strings.Join(args, " "))
	} else {
		near := configs.Nearest(args[0], func(yield func(string) bool) {
			for _, c := range commands() {
				if !yield(c.name) {
					return
				}
			}
		})
		if near != "" {
			fmt.Fprintf(stderr, "shoal: there is no command %q: did you mean \"shoal %s\"?\n", args[0], near)
			return 2
		}
		fmt.Fprintf(stderr, "shoal: there is no command %q\n", args[0])
	}
	usage(stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "shoal serves TensorFlow SavedModels over REST and gRPC, batching requests as they come.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  shoal %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nshoal COMMAND --help tells more of each.\n")
}

// usageError wraps err so that the process ends with code 2.
func usageError(err error) error { return errors.Join(err, errUsage) }
