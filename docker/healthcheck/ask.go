package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// ownServer accepts any certificate: it is made out to the name that clients use, which is not localhost.
var ownServer = &tls.Config{InsecureSkipVerify: true}

// scheme is that of a URL.
func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

// askREST asks for /readyz.
func askREST(ctx context.Context, address string, secure bool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme(secure)+"://"+address+"/readyz", nil)
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

// askGRPC calls grpc.health.v1.Health/Check for the server as a whole. A call with an empty request is a plain HTTP/2
// request, so that this program does without a gRPC library, which would be most of it.
func askGRPC(ctx context.Context, network, address string, secure bool) error {
	var protocols http.Protocols
	protocols.SetHTTP2(secure)
	protocols.SetUnencryptedHTTP2(!secure)
	transport := &http.Transport{
		TLSClientConfig: ownServer,
		Protocols:       &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	host := address
	if network == "unix" {
		host = "localhost"
	}
	url := scheme(secure) + "://" + host + "/grpc.health.v1.Health/Check"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(make([]byte, prefix)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	return judge(resp, body)
}

// prefix is the length of what comes before each message: a byte for its compression, and its size.
const prefix = 5

// statuses are the names of HealthCheckResponse.ServingStatus.
var statuses = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

// judge says what is wrong with the answer to a health check; nil: the server is ready.
func judge(resp *http.Response, body []byte) error {
	// An error without a message has its code in the header.
	code := cmp.Or(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status"))
	if resp.StatusCode != http.StatusOK || code != "0" {
		message := cmp.Or(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message"))
		return fmt.Errorf("gRPC health: HTTP %s, code %q: %s", resp.Status, code, message)
	}
	if len(body) < prefix || int(binary.BigEndian.Uint32(body[1:])) != len(body)-prefix {
		return fmt.Errorf("gRPC health: the answer of %d bytes is no message", len(body))
	}
	// The message is empty, or has one field: number 1, the status as a varint.
	status := uint64(0)
	if message := body[prefix:]; len(message) > 0 {
		value, n := binary.Uvarint(message[1:])
		if message[0] != 1<<3 || n < 1 || n != len(message)-1 || value >= uint64(len(statuses)) {
			return fmt.Errorf("gRPC health: unknown answer %x", message)
		}
		status = value
	}
	if statuses[status] != "SERVING" {
		return fmt.Errorf("gRPC health: %s", statuses[status])
	}
	return nil
}
