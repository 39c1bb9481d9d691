// Command shoal-healthcheck asks the server of its container whether it is ready: exit code 0 when every model is available.
//
// It is a program of its own, without TensorFlow, because it is started every few seconds. It finds the server among the
// container's processes and reads its command line, so that the ports need not be said twice.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

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
		return askGRPC(ctx, local(address), cfg.GRPC.SSLConfigFile != "")
	}
	return askGRPC(ctx, "unix:"+cfg.GRPC.SocketPath, false)
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

// ownServer accepts any certificate: it is made out to the name that clients use, which is not localhost.
var ownServer = &tls.Config{InsecureSkipVerify: true}

func askREST(ctx context.Context, address string, secure bool) error {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: ownServer, DisableKeepAlives: true}} // and no proxy
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return err
}

func askGRPC(ctx context.Context, target string, secure bool) error {
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(ownServer)
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil && resp.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		err = fmt.Errorf("gRPC health: %v", resp.Status)
	}
	return err
}
