package configs

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// readEnvironment sets the flags from SHOAL_… variables. An empty variable counts as not set, because templates of deployments
// can produce empty ones.
func (s *Server) readEnvironment(environ []string, faults *Faults) {
	variables := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, "SHOAL_") {
			variables[name] = value
		}
	}
	for f := range Flags() {
		name := f.Variable()
		value := variables[name]
		delete(variables, name)
		switch {
		case value == "" || f.Name == "version":
		case f.Name == "port" && isServiceLink(value):
			s.Note(fmt.Sprintf("%s=%s is Kubernetes' link to a service named shoal, not a port to listen on: ignored", name, value))
		default:
			if err := f.bind(s).Set(value); err != nil {
				faults.Addf("%s: %v", name, err)
				continue
			}
			s.origin[f.Name] = fromEnvironment
		}
	}
	s.noteMistaken(variables)
}

// readPort reads the variable PORT, with which Cloud Run, Knative and others set the port of a container. Both APIs share that
// port, unless a flag or its variable sets a port.
func (s *Server) readPort(environ []string) {
	if s.IsSet("port") || s.IsSet("rest_api_port") {
		return
	}
	for _, pair := range environ {
		value, ok := strings.CutPrefix(pair, "PORT=")
		if !ok || value == "" {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			s.Note(fmt.Sprintf("PORT=%s is no port (1 to 65535): ignored", value))
			continue
		}
		s.REST.Port, s.GRPC.Port = int(n), int(n)
		s.origin["port"], s.origin["rest_api_port"] = fromEnvironment, fromEnvironment
	}
}

// isServiceLink recognises the value that Kubernetes gives SHOAL_PORT in every pod if there is a service named "shoal".
func isServiceLink(value string) bool {
	return strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://")
}

// noteMistaken warns of variables whose names are similar to a flag's. It ignores others, which may belong to other programs.
func (s *Server) noteMistaken(variables map[string]string) {
	left := make([]string, 0, len(variables))
	for name := range variables {
		left = append(left, name)
	}
	slices.Sort(left)
	for _, name := range left {
		if near := Nearest(name, variableNames()); near != "" && distance(name, near) <= 3 {
			s.Note(fmt.Sprintf("%s names no flag and is ignored: did you mean %s?", name, near))
		}
	}
}

// variableNames returns the variables of all flags.
func variableNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for f := range Flags() {
			if !yield(f.Variable()) {
				return
			}
		}
	}
}
