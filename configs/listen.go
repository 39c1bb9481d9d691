package configs

import (
	"crypto/tls"
	"net"
	"strconv"
	"strings"

	"shoal/internal/files"
)

// RESTListen is the address REST listens on; "" where it does not: with port 0, and with gRPC's port, which gRPC has
// first, as in tensorflow_model_server.
func (s *Server) RESTListen() string {
	if s.REST.Port == 0 || s.REST.Port == s.GRPC.Port {
		return ""
	}
	return join(s.REST.Address, s.REST.Port)
}

// GRPCListen is the TCP address gRPC listens on; "" where it does not.
func (s *Server) GRPCListen() string {
	if s.GRPC.Port == 0 {
		return ""
	}
	return join(s.GRPC.Address, s.GRPC.Port)
}

// RESTCertificate is the certificate in --rest_tls_cert_file, with its key.
func (s *Server) RESTCertificate() (tls.Certificate, error) {
	cert, err := files.Read(s.REST.TLSCertFile, files.MaxConfig)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := files.Read(s.REST.TLSKeyFile, files.MaxConfig)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// join takes an IPv6 address with brackets or without.
func join(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}
