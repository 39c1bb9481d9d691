package configs

import (
	"slices"
	"strings"
	"testing"
)

func parseAccess(t *testing.T, args ...string) *Server {
	t.Helper()
	s, err := Parse(append([]string{"--model_base_path=" + t.TempDir()}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAccessFaults(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string // faults; none: it is accepted
	}{
		{[]string{"--admin_port=9501", "--admin_grpc_port=9500", "--admin_address=[::1]"}, nil},
		{[]string{"--admin_port=70000"}, []string{"--admin_port: 70000 is no port: use 0 (none) to 65535"}},
		{[]string{"--admin_port=8501"}, []string{"--admin_port: 8501 is --rest_api_port already: give it a port of its own"}},
		{[]string{"--admin_port=7", "--admin_grpc_port=7"}, []string{"--admin_grpc_port: 7 is --admin_port already: give it a port of its own"}},
		{[]string{"--admin_address=localhost:7"}, []string{`--admin_address: "localhost:7" must be an address or a host name alone; the port has a flag of its own`}},
	} {
		err := parseAccess(t, c.args...).Validate()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if want := strings.Join(c.want, "\n"); got != want {
			t.Errorf("%v:\n got %s\nwant %s", c.args, got, want)
		}
	}
}

func TestAccessNotes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // "": no note
	}{
		{[]string{"--admin_port=9501"}, ""},
		{[]string{"--admin_port=9501", "--admin_address=0.0.0.0"}, "whoever reaches the administration's ports may use them"},
		{[]string{"--admin_port=9501", "--admin_address="}, "whoever reaches the administration's ports may use them"},
		{[]string{"--admin_address=0.0.0.0"}, "--admin_address has no effect"},
		{[]string{"--enable_model_reload=false", "--allowed_model_roots=/models"}, "--allowed_model_roots has no effect"},
		{[]string{"--enable_model_reload=false", "--admin_grpc_port=9500"}, "--admin_grpc_port is of no use"},
	} {
		notes := parseAccess(t, c.args...).Notes()
		if found := slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, c.want) }); c.want == "" && len(notes) > 0 || !found && c.want != "" {
			t.Errorf("%v: notes %q, want %q", c.args, notes, c.want)
		}
	}
}

// Reload is refused where it is not wanted, and where it has another port.
func TestReloadRefused(t *testing.T) {
	for _, c := range []struct {
		args       []string
		api, admin string // a part of why; "": it is answered
	}{
		{nil, "", ""},
		{[]string{"--enable_model_reload=false"}, "--enable_model_reload is false", "--enable_model_reload is false"},
		{[]string{"--admin_grpc_port=9500"}, "answered on --admin_grpc_port", ""},
		{[]string{"--admin_port=9501"}, "--admin_grpc_port gives", ""},
	} {
		s := parseAccess(t, c.args...)
		for _, port := range []struct {
			admin bool
			want  string
		}{{false, c.api}, {true, c.admin}} {
			if got := s.ReloadRefused(port.admin); (got == "") != (port.want == "") || !strings.Contains(got, port.want) {
				t.Errorf("%v, admin %v: %q, want %q", c.args, port.admin, got, port.want)
			}
		}
	}
}
