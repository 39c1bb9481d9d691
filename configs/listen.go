package configs

import (
	"net"
	"strconv"
	"strings"
)

// RESTListen is the address REST listens on; "" if it does not. It may be that of GRPCListen: both APIs then share the port.
func (s *Server) RESTListen() string {
	if s.REST.Port == 0 {
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
