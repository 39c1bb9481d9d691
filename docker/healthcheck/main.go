// Command shoal-healthcheck asks the server of its container whether it is ready: exit code 0 when every model is available.
//
// It is a program of its own, small and without cgo, because it is started every few seconds. It finds the server among the
// container's processes and reads its command line, so that the ports need not be said twice.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shoal/configs"
)

// patience is below the timeout that the images give the whole check.
const patience = 4 * time.Second

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := check(ctx, "/proc"); err != nil {
		fmt.Fprintln(os.Stderr, "shoal-healthcheck:", err)
		os.Exit(1)
	}
}

// check asks over REST or, where that is off, gRPC.
func check(ctx context.Context, proc string) error {
	args, err := serverArguments(proc)
	if err != nil {
		return err
	}
	cfg, err := configs.Parse(args, os.Environ())
	if err != nil {
		return err
	}
	if address := cfg.RESTListen(); address != "" {
		return askREST(ctx, local(address), cfg.REST.TLSCertFile != "")
	}
	if address := cfg.GRPCListen(); address != "" {
		return askGRPC(ctx, "tcp", local(address), cfg.GRPC.SSLConfigFile != "")
	}
	return askGRPC(ctx, "unix", cfg.GRPC.SocketPath, false)
}

// serverArguments are the flags of the server that runs in this container.
func serverArguments(proc string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "cmdline"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended
		}
		args := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
		switch name := filepath.Base(args[0]); {
		case name == "tensorflow_model_server":
			return args[1:], nil
		case name == "shoal" && len(args) > 1 && args[1] == "serve":
			return args[2:], nil
		}
	}
	return nil, errors.New("no server runs here")
}

// local is where to reach a server on this machine that listens on the address.
func local(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}
