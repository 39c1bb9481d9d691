package rpc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
)

// tlsConfig makes the server's TLS configuration from an SSLConfig, whose fields hold PEM; nil for nil. An SSLConfig without a
// key is an error, because a server with TLS configured must not use plain text. With client_verify a client must show a
// certificate signed by custom_ca, or by one of the system's roots if custom_ca is empty.
func tlsConfig(c *config_go_proto.SSLConfig) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	pair, err := tls.X509KeyPair([]byte(c.GetServerCert()), []byte(c.GetServerKey()))
	if err != nil {
		return nil, fmt.Errorf("--ssl_config_file: server_cert and server_key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.GetCustomCa() != "" {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM([]byte(c.GetCustomCa())) {
			return nil, errors.New("--ssl_config_file: custom_ca holds no PEM certificate")
		}
	}
	if c.GetClientVerify() {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}
