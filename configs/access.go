package configs

import (
	"fmt"
	"math"
	"net"
	"strings"
)

// AccessOptions says who may do what.
type AccessOptions struct {
	AdminPort     int    // pages of the administration; 0: they are on the REST port
	AdminGRPCPort int    // reload by gRPC; 0: it is on the gRPC port, unless there is an AdminPort
	AdminAddress  string // of both
	Reload        bool
	KeyFile       string   // "": no keys are needed
	Roots         []string // directories that a reload may name; none: any directory
}

// accessFlags are all off by default, because tensorflow_model_server trusts all clients.
var accessFlags = []Flag{
	{Name: "admin_port", Group: groupAccess, Own: true,
		Help: "port for the status page, metrics, /openapi.json and profiles, which leave the REST port, and reload the gRPC port; 0: none",
		bind: func(s *Server) value { return number(&s.Access.AdminPort) }},
	{Name: "admin_grpc_port", Group: groupAccess, Own: true,
		Help: "port for HandleReloadConfigRequest, which leaves the gRPC port; 0: none",
		bind: func(s *Server) value { return number(&s.Access.AdminGRPCPort) }},
	{Name: "admin_address", Group: groupAccess, Own: true,
		Help: "address or host name of these two ports; empty: all interfaces",
		bind: func(s *Server) value { return text(&s.Access.AdminAddress, "HOST") }},
	{Name: "enable_model_reload", Group: groupAccess, Own: true,
		Help: "let HandleReloadConfigRequest change which models are served",
		bind: func(s *Server) value { return boolean(&s.Access.Reload) }},
	{Name: "allowed_model_roots", Group: groupAccess, Own: true,
		Help: "directories that base paths and request logs of a HandleReloadConfigRequest must lie in; http:// and https:// URLs that its archives must lie below; none: any directory, and no URL",
		bind: func(s *Server) value { return list(&s.Access.Roots, "DIR,…") }},
	{Name: "api_key_file", Group: groupAccess, Own: true,
		Help: "keys that clients must show: lines of predict KEY or admin KEY, read again when the file changes; none: no key is needed",
		bind: func(s *Server) value { return text(&s.Access.KeyFile, "FILE") }},
}

// AdminListen returns the address of the administration's pages; "": they are on the REST port.
func (s *Server) AdminListen() string { return s.Access.listen(s.Access.AdminPort) }

// AdminGRPCListen returns the address of the administration by gRPC; "": it has no port of its own.
func (s *Server) AdminGRPCListen() string { return s.Access.listen(s.Access.AdminGRPCPort) }

func (a *AccessOptions) listen(port int) string {
	if port == 0 {
		return ""
	}
	return join(a.AdminAddress, port)
}

// AdminIsLocal reports whether the administration's ports can be reached from this machine only.
func (s *Server) AdminIsLocal() bool {
	host := strings.Trim(s.Access.AdminAddress, "[]")
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// ReloadRefused returns the reason why the gRPC port, or the administration's, rejects HandleReloadConfigRequest; "": it does not.
func (s *Server) ReloadRefused(admin bool) string {
	switch {
	case !s.Access.Reload:
		return "the models cannot be changed by a call: --enable_model_reload is false"
	case admin:
	case s.Access.AdminGRPCPort != 0:
		return "administration is not on this port: HandleReloadConfigRequest is answered on --admin_grpc_port"
	case s.Access.AdminPort != 0:
		return "administration is not on this port: --admin_grpc_port gives HandleReloadConfigRequest a port"
	}
	return ""
}

// AdminRefused returns the reason why the gRPC port, or the administration's, rejects the other calls for administration; "": it
// does not.
func (s *Server) AdminRefused(admin bool) string {
	switch {
	case admin:
	case s.Access.AdminGRPCPort != 0:
		return "administration is not on this port: it is on --admin_grpc_port"
	case s.Access.AdminPort != 0:
		return "administration is not on this port: --admin_grpc_port gives it one"
	}
	return ""
}

// RESTAdminRefused is AdminRefused for the REST port.
func (s *Server) RESTAdminRefused(admin bool) string {
	if !admin && s.AdminListen() != "" {
		return "administration is not on this port: it is on --admin_port"
	}
	return ""
}

// RepositoryRefused says why models of --model_repository cannot be loaded and unloaded by calls to the API's servers, or to the
// administration's; "": they can.
func (s *Server) RepositoryRefused(admin bool) string {
	switch {
	case !s.Access.Reload:
		return "the models cannot be changed by a call: --enable_model_reload is false"
	case !admin && (s.Access.AdminPort != 0 || s.Access.AdminGRPCPort != 0):
		return "administration is not on this port: models are loaded and unloaded on --admin_port and --admin_grpc_port"
	}
	return ""
}

func (s *Server) validateAccess(faults *Faults) {
	a := &s.Access
	taken := map[int]string{}
	for _, p := range []struct {
		flag string
		port int
	}{{"rest_api_port", s.REST.Port}, {"port", s.GRPC.Port}, {"admin_port", a.AdminPort}, {"admin_grpc_port", a.AdminGRPCPort}} {
		admin := strings.HasPrefix(p.flag, "admin")
		switch other := taken[p.port]; {
		case p.port == 0:
		case admin && (p.port < 0 || p.port > math.MaxUint16):
			faults.Addf("--%s: %d is no port: use 0 (none) to 65535", p.flag, p.port)
		case admin && other != "":
			faults.Addf("--%s: %d is --%s already: give it a port of its own", p.flag, p.port, other)
		default:
			taken[p.port] = p.flag
		}
	}
}

// accessNotes returns lines for the log about access that is open or closed and probably should not be.
func (s *Server) accessNotes() (notes []string) {
	a := &s.Access
	admin := a.AdminPort != 0 || a.AdminGRPCPort != 0
	if admin && !s.AdminIsLocal() && a.KeyFile == "" {
		notes = append(notes, fmt.Sprintf("--admin_address=%s: whoever reaches the administration's ports may use them: --api_key_file asks for a key", a.AdminAddress))
	}
	if !admin && s.IsSet("admin_address") {
		notes = append(notes, "--admin_address has no effect: there is no --admin_port and no --admin_grpc_port")
	}
	if !a.Reload && len(a.Roots) > 0 {
		notes = append(notes, "--allowed_model_roots has no effect: --enable_model_reload is false")
	}
	if !a.Reload && a.AdminGRPCPort != 0 {
		notes = append(notes, "--admin_grpc_port is of no use: --enable_model_reload is false")
	}
	return notes
}
