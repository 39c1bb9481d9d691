package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
)

// Two models change all the time, and always have a version that answers: "moving", whose directories come and go, and
// "chosen", whose policy the configuration changes, by its file and by calls. "passing" is in the configuration now and then.

func (s *site) configFile() string { return filepath.Join(s.dir, "models.config") }

// configText serves one version of the model "chosen", and "passing" or not.
func (s *site) configText(version int, passing bool) string {
	half := s.models + "/test/half_plus_two"
	var b strings.Builder
	model := func(name, path, policy string) {
		fmt.Fprintf(&b, "config { name: %q base_path: %q model_platform: \"tensorflow\" %s }\n", name, path, policy)
	}
	b.WriteString("model_config_list {\n")
	model("moving", filepath.Join(s.dir, "moving"), "")
	model("chosen", half, fmt.Sprintf("model_version_policy { specific { versions: %d } }", version))
	if passing {
		model("passing", half, "")
	}
	for _, name := range s.others {
		path := filepath.Join(s.models, "test", name)
		if name == "guesslang" {
			path = filepath.Join(s.models, name)
		}
		model(name, path, "")
	}
	b.WriteString("}\n")
	return b.String()
}

func (s *site) writeConfig(version int, passing bool) error {
	tmp := s.configFile() + ".tmp"
	return errors.Join(os.WriteFile(tmp, []byte(s.configText(version, passing)), 0o600), os.Rename(tmp, s.configFile()))
}

// addVersion puts a version of "moving" in its place, whole at once.
func (s *site) addVersion(version int) error {
	from, hidden := fmt.Sprintf("%s/test/half_plus_two/%d", s.models, version), filepath.Join(s.dir, "hidden")
	to := filepath.Join(s.dir, "moving", fmt.Sprint(version))
	return errors.Join(os.RemoveAll(hidden), os.CopyFS(hidden, os.DirFS(from)), os.MkdirAll(filepath.Dir(to), 0o700), os.Rename(hidden, to))
}

// moveVersions adds the second version, takes it away, and so on, each time as soon as the server has noticed.
func (s *site) moveVersions(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.addVersion(2); err != nil {
			s.tally.lose("a version could not be made: %v", err)
			return
		}
		s.untilServes(ctx, "moving", 2)
		if ctx.Err() != nil {
			return // it may still be loading
		}
		if err := os.Rename(filepath.Join(s.dir, "moving", "2"), filepath.Join(s.dir, fmt.Sprint("old", time.Now().UnixNano()))); err != nil {
			s.tally.lose("a version could not be taken away: %v", err)
			return
		}
		s.untilServes(ctx, "moving", 1)
	}
}

// untilServes waits for a version to answer.
func (s *site) untilServes(ctx context.Context, model string, version int64) {
	for end := time.Now().Add(requestTimeout); ctx.Err() == nil; {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		_, got, err := s.half(call, model, 1)
		cancel()
		if err == nil && got == version {
			s.tally.right("versions swapped")
			return
		}
		if time.Now().After(end) {
			s.tally.lose("version %d of %s does not come", version, model)
			s.keepGoroutines()
			return
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// configure changes the configuration, in turns by its file and by a call. Each change serves another version than the one
// before, so that it is seen when the file has been read: later it would undo what a call has changed.
func (s *site) configure(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		version, passing := 2-i%2, i%4 < 2
		if i%2 == 0 {
			if err := s.writeConfig(version, passing); err != nil {
				s.tally.lose("the configuration could not be written: %v", err)
				return
			}
		} else if err := s.reload(ctx, version, passing); err != nil {
			s.tally.mistake("a reload: %v", err)
			s.keepGoroutines()
		}
		s.untilServes(ctx, "chosen", int64(version))
	}
}

func (s *site) reload(ctx context.Context, version int, passing bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout) // what was begun is answered
	defer cancel()
	req := &apis_go_proto.ReloadConfigRequest{Config: new(config_go_proto.ModelServerConfig)}
	if err := prototext.Unmarshal([]byte(s.configText(version, passing)), req.Config); err != nil {
		return err
	}
	resp := new(apis_go_proto.ReloadConfigResponse)
	if err := s.conn.Invoke(ctx, "/tensorflow.serving.ModelService/HandleReloadConfigRequest", req, resp); err != nil {
		return err
	}
	if resp.GetStatus().GetErrorCode() != 0 {
		return fmt.Errorf("status %v", resp.GetStatus())
	}
	return nil
}
