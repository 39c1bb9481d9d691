package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// endless makes the answer that of a loop which goes on for ever.
func endless(model *pb.SavedModel) {
	type attrs = map[string]*attr_value_go_proto.AttrValue
	function := func(name string) *attr_value_go_proto.AttrValue {
		return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_Func{Func: &attr_value_go_proto.NameAttrList{Name: name}}}
	}
	dtype := func(dt types_go_proto.DataType) *attr_value_go_proto.AttrValue {
		return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_Type{Type: dt}}
	}
	arg := func(name string, dt types_go_proto.DataType) []*op_def_go_proto.OpDef_ArgDef {
		return []*op_def_go_proto.OpDef_ArgDef{{Name: name, Type: dt}}
	}
	const float, boolean = types_go_proto.DataType_DT_FLOAT, types_go_proto.DataType_DT_BOOL
	mg := model.MetaGraphs[0]
	mg.GraphDef.Library.Function = append(mg.GraphDef.Library.Function,
		&function_go_proto.FunctionDef{
			Signature: &op_def_go_proto.OpDef{Name: "go_on", InputArg: arg("x", float), OutputArg: arg("y", boolean)},
			NodeDef: []*node_def_go_proto.NodeDef{{Name: "yes", Op: "Const", Attr: attrs{"dtype": dtype(boolean), "value": {
				Value: &attr_value_go_proto.AttrValue_Tensor{Tensor: &tensor_go_proto.TensorProto{Dtype: boolean, BoolVal: []bool{true}, TensorShape: &tensor_shape_go_proto.TensorShapeProto{}}}}}}},
			Ret: map[string]string{"y": "yes:output:0"},
		},
		&function_go_proto.FunctionDef{
			Signature: &op_def_go_proto.OpDef{Name: "step", InputArg: arg("x", float), OutputArg: arg("y", float)},
			NodeDef:   []*node_def_go_proto.NodeDef{{Name: "neg", Op: "Neg", Input: []string{"x"}, Attr: attrs{"T": dtype(float)}}},
			Ret:       map[string]string{"y": "neg:y:0"},
		})
	sig := mg.SignatureDef["serving_default"]
	for _, in := range sig.Inputs {
		mg.GraphDef.Node = append(mg.GraphDef.Node, &node_def_go_proto.NodeDef{Name: "for_ever", Op: "StatelessWhile", Input: []string{strings.TrimSuffix(in.GetName(), ":0")},
			Attr: attrs{"cond": function("go_on"), "body": function("step"), "T": {Value: &attr_value_go_proto.AttrValue_List{
				List: &attr_value_go_proto.AttrValue_ListValue{Type: []types_go_proto.DataType{float}}}}}})
	}
	for _, out := range sig.Outputs {
		out.Encoding = &pb.TensorInfo_Name{Name: "for_ever:0"}
	}
}

// A run that never ends, and a client that waits for it, do not keep the process: it ends with 0 and says what was left.
func TestStopDuringAnEndlessRun(t *testing.T) {
	base := changed(t, endless)
	s := start(t, "--model_name=m", "--model_base_path="+base, "--synthetic_warmup=false", "--drain_timeout=3s")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			resp, err := http.Post(s.url+"/v1/models/m:predict", "", strings.NewReader(`{"instances":[1.0]}`))
			if err == nil {
				resp.Body.Close()
			}
		})
	}
	s.eventually("the run has begun", func() bool {
		f := s.page("/metrics")["shoal_instances_busy"]
		return len(f.GetMetric()) > 0 && f.GetMetric()[0].GetGauge().GetValue() > 0
	})
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	wg.Wait()
	if !strings.Contains(s.log.String(), "left") {
		t.Error("nothing says what was left")
	}
}

// Two runs that never end, on every instance of their model, do not stop another model, and do not keep the server from ending. They
// are told of, and the model's requests are refused once they are known to be stuck.
func TestEndlessRuns(t *testing.T) {
	root := testModels(t)
	file := writeFile(t, t.TempDir(), "models.config", fmt.Sprintf(`model_config_list {
		config { name: "turns" base_path: "%[1]s/turns" model_platform: "tensorflow" }
		config { name: "slow" base_path: "%[1]s/slow" model_platform: "tensorflow" }
		config { name: "half_plus_two" base_path: "%[1]s/half_plus_two" model_platform: "tensorflow" }
	}`, root))
	s := start(t, "--model_config_file="+file, "--instances=2", "--stuck_run_timeout=2s", "--rest_api_timeout_in_ms=1000", "--drain_timeout=20s")
	const turns = "/v1/models/turns:predict"
	s.want("POST", turns, `{"instances":[3,5]}`, 200, `{"predictions":[5,5]}`)
	for range 2 {
		if resp, body := s.do("POST", turns, `{"instances":[4000000000000000000]}`); resp.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("an endless run: %d %s", resp.StatusCode, body)
		}
	}
	for range 20 {
		s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
		s.want("POST", "/v1/models/slow:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.0]}`)
	}
	s.eventually("the runs are told of", func() bool {
		_, body := s.do("GET", "/readyz", "")
		return strings.Contains(body, "model turns") && (strings.Contains(body, "overdue") || strings.Contains(body, "--stuck_run_timeout"))
	})
	s.eventually("the model is not ready", func() bool {
		resp, body := s.do("GET", "/readyz", "")
		return resp.StatusCode == 503 && strings.Contains(body, "model turns: no instance of the model is in service")
	})
	begun := time.Now()
	for range 20 {
		if resp, body := s.do("POST", turns, `{"instances":[1]}`); resp.StatusCode != 503 || !strings.Contains(body, "--stuck_run_timeout") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	if took := time.Since(begun); took > 15*time.Second { // each would wait for its deadline of a second
		t.Errorf("20 refusals took %v", took)
	}
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	page := s.page("/metrics")
	labels := map[string]string{"model": "turns"}
	if n := sum(page["shoal_instances_overdue"], labels); n != 2 {
		t.Errorf("%v instances are said to be overdue", n)
	}
	if n := sum(page["shoal_requests_rejected_total"], map[string]string{"model": "turns", "reason": "stuck"}); n != 20 {
		t.Errorf("%v requests are counted as refused", n)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}
