package main

import (
	"crypto/tls"
	"fmt"

	"shoal/configs"
	"shoal/configs/configfile"
)

// restTLS is the REST side's TLS, or nil where no certificate is configured.
func restTLS(cfg *configs.Server) (*tls.Config, error) {
	if cfg.REST.TLSCertFile == "" {
		return nil, nil
	}
	cert, err := configfile.RESTCertificate(cfg)
	if err != nil {
		return nil, fmt.Errorf("--rest_tls_cert_file and --rest_tls_key_file: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
