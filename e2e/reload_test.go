package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"shoal/serving/rpc/rpctest"
)

// While clients call without pause, the configuration is changed by calls: no request fails, every answer is right.
func TestReloadUnderLoad(t *testing.T) {
	s := start(t, "--model_name=m", "--model_base_path="+testModels(t)+"/half_plus_two")
	conn, control := s.dial(), s.dial()
	var stop atomic.Bool
	var answered, first atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	right := func(version int64, y float32) bool {
		answered.Add(1)
		if version == 1 {
			first.Add(1)
		}
		return version == 1 && y == 2.5 || version == 2 && y == 3.5
	}
	for range 8 {
		wg.Go(func() {
			for !stop.Load() {
				if y, v, err := predictRPC(t.Context(), conn, "m", 1); err != nil || !right(v, y) {
					t.Errorf("gRPC: version %d: %v %v", v, y, err)
					return
				}
			}
		})
		wg.Go(func() {
			for !stop.Load() {
				code, body, h, err := post(s.url+"/v1/models/m:predict", `{"instances":[1.0]}`)
				v, _ := strconv.ParseInt(h.Get("Shoal-Model-Version"), 10, 64)
				y, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(squeeze(string(body)), `{"predictions":[`), "]}"), 32)
				if err != nil || code != 200 || !right(v, float32(y)) {
					t.Errorf("REST: version %d: %d %s %v", v, code, body, err)
					return
				}
			}
		})
	}
	for i := range 24 {
		policy := []string{"specific { versions: 1 }", "all {}", "specific { versions: 2 }", "latest { num_versions: 2 }"}[i%4]
		if err := s.reload(control, "m", "model_version_policy { "+policy+" }"); err != nil {
			t.Fatalf("reload %d to %s: %v", i, policy, err)
		}
	}
	stop.Store(true)
	wg.Wait()
	if n := first.Load(); n == 0 || n == answered.Load() {
		t.Errorf("of %d answers %d were version 1's", answered.Load(), n)
	}
	t.Logf("%d calls", answered.Load())
}

// reload makes a model with this rest of its ModelConfig, over half_plus_two, the whole configuration.
func (s *server) reload(conn *grpc.ClientConn, name, rest string) error {
	req := &apis_go_proto.ReloadConfigRequest{Config: new(config_go_proto.ModelServerConfig)}
	text := fmt.Sprintf(`model_config_list { config { name: %q base_path: "%s/half_plus_two" model_platform: "tensorflow" %s } }`, name, testModels(s.t), rest)
	if err := prototext.Unmarshal([]byte(text), req.Config); err != nil {
		return err
	}
	resp := new(apis_go_proto.ReloadConfigResponse)
	if err := rpctest.Call(s.t.Context(), conn, "HandleReloadConfigRequest", req, resp); err != nil {
		return err
	}
	if code := resp.GetStatus().GetErrorCode(); code != 0 {
		return fmt.Errorf("status %v", resp.GetStatus())
	}
	return nil
}

func TestReloadDisabled(t *testing.T) {
	root := testModels(t)
	s := startModel(t, "half_plus_two", "--enable_model_reload=false")
	err := reloadRPC(t.Context(), s.dial(), halfAt(root+"/half_plus_two"))
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "--enable_model_reload is false") {
		t.Error(err)
	}
}

// A call may name what lies below the roots, and leave alone what the operator's own configuration has elsewhere.
func TestAllowedModelRoots(t *testing.T) {
	models, root := testModels(t), t.TempDir()
	half, tf1 := models+"/half_plus_two", models+"/tf1"
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+half, "--allowed_model_roots="+root)
	conn := s.dial()
	symlink(t, models+"/tf1/1", filepath.Join(root, "tf1", "1"))
	symlink(t, models+"/tf1", filepath.Join(root, "link"))
	model := func(name, path string, change func(*config_go_proto.ModelConfig)) *config_go_proto.ModelConfig {
		m := &config_go_proto.ModelConfig{Name: name, BasePath: path, ModelPlatform: "tensorflow"}
		if change != nil {
			change(m)
		}
		return m
	}
	logTo := func(prefix string) func(*config_go_proto.ModelConfig) {
		return func(m *config_go_proto.ModelConfig) {
			m.LoggingConfig = &config_go_proto.LoggingConfig{LogCollectorConfig: &config_go_proto.LogCollectorConfig{FilenamePrefix: prefix},
				SamplingConfig: &config_go_proto.SamplingConfig{SamplingRate: 1}}
		}
	}
	label := func(m *config_go_proto.ModelConfig) { m.VersionLabels = map[string]int64{"stable": 2} }
	own := halfAt(half)
	for _, c := range []struct {
		name string
		own  *config_go_proto.ModelConfig
		more *config_go_proto.ModelConfig
		why  string // "": it is taken
	}{
		{"below", own, model("tf1", root+"/tf1", nil), ""},
		{"with a log below", own, model("tf1", root+"/tf1", logTo(root+"/log")), ""},
		{"elsewhere", own, model("tf1", tf1, nil), "model tf1: base_path " + tf1 + " is outside --allowed_model_roots"},
		{"up and elsewhere", own, model("tf1", root+"/../x", nil), "is outside"},
		{"through a link", own, model("tf1", root+"/link", nil), "is outside"},
		{"with a log elsewhere", own, model("tf1", root+"/tf1", logTo(models+"/log")), "filename_prefix " + models + "/log is outside"},
		{"with a log beside", own, model("tf1", root+"/tf1", logTo(root)), "filename_prefix"},
		{"the operator's under another name", own, model("other", half, nil), "is outside"},
		{"the operator's with a label", model("half_plus_two", half, label), nil, "model half_plus_two: base_path " + half + " is outside"},
		{"the operator's with a log", model("half_plus_two", half, logTo(root+"/log")), nil, "is outside"},
		{"the operator's alone", own, nil, ""},
	} {
		list := []*config_go_proto.ModelConfig{c.own}
		if c.more != nil {
			list = append(list, c.more)
		}
		err := reloadRPC(t.Context(), conn, list...)
		switch {
		case c.why == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.why != "" && (status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: %v, want %s", c.name, err, c.why)
		}
	}
	if y, _, err := predictRPC(t.Context(), conn, "half_plus_two", 1); err != nil || y != 3.5 {
		t.Errorf("%v %v", y, err)
	}
}

func halfAt(path string) *config_go_proto.ModelConfig {
	return &config_go_proto.ModelConfig{Name: "half_plus_two", BasePath: path, ModelPlatform: "tensorflow"}
}

func reloadRPC(ctx context.Context, conn *grpc.ClientConn, models ...*config_go_proto.ModelConfig) error {
	req := &apis_go_proto.ReloadConfigRequest{Config: &config_go_proto.ModelServerConfig{
		Config: &config_go_proto.ModelServerConfig_ModelConfigList{ModelConfigList: &config_go_proto.ModelConfigList{Config: models}}}}
	return rpctest.Call(ctx, conn, "HandleReloadConfigRequest", req, new(apis_go_proto.ReloadConfigResponse))
}
