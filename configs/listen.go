package configs

import (
	"net"
	"strconv"
	"strings"
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

// join takes an IPv6 address with brackets or without.
func join(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}
