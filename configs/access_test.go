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
		{[]string{"--api_key_file=/no/such/keys"}, []string{"--api_key_file: open /no/such/keys: no such file or directory"}},
	} {
		_, err := parseAccess(t, c.args...).Load()
		got := ""
		if err != nil {
			got = err.Error()
		}
		if want := strings.Join(c.want, "\n"); strings.ReplaceAll(got, "stat /no", "open /no") != want {
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

func TestKeyFile(t *testing.T) {
	file := write(t, "keys", "predict short\nadmin 0123456789abcdef\n0123456789abcdef0123456789abcdef\n")
	_, err := parseAccess(t, "--api_key_file="+file).Load()
	for _, want := range []string{"--api_key_file: " + file + ": line 1: the key has 5 characters", file + ": line 3: it must begin with predict or admin"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "0123456789abcdef") {
		t.Errorf("the error quotes a key: %v", err)
	}
	s := parseAccess(t, "--api_key_file="+write(t, "keys", "# nobody administers\npredict 0123456789abcdef\n"))
	if _, err := s.Load(); err != nil {
		t.Fatal(err)
	}
	if notes := s.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "has no admin key") {
		t.Errorf("notes %q", notes)
	}
	if _, err := parseAccess(t, "--api_key_file="+t.TempDir()).Load(); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
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
