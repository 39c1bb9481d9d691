package configs

import (
	"net"
	"strconv"
	"strings"
)

// RESTListen returns the address of REST; "" if REST is off. If it is that of GRPCListen, both APIs share the port.
func (s *Server) RESTListen() string {
	if s.REST.Port == 0 {
		return ""
	}
	return join(s.REST.Address, s.REST.Port)
}

// GRPCListen returns the TCP address of gRPC; "" if there is none.
func (s *Server) GRPCListen() string {
	if s.GRPC.Port == 0 {
		return ""
	}
	return join(s.GRPC.Address, s.GRPC.Port)
}

// join joins an address and a port. An IPv6 address may be with or without brackets.
func join(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}
