package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving/rpc/rpctest"
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

// A collector that takes connections and never answers costs a moment at the end, whatever its own timeouts are.
func TestStopWithACollectorThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := launchWith(t, func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+l.Addr().String(), "OTEL_EXPORTER_OTLP_TIMEOUT=600000")
	}, "--model_base_path="+testModels(t)+"/half_plus_two", "--drain_timeout=10m")
	s.eventually("ready", func() bool { return s.status("/readyz") == 200 })
	s.do("POST", "/v1/models/default:predict", `{"instances":[1.0]}`)
	if code := s.stop(); code != 0 || !strings.Contains(s.log.String(), "were not sent") {
		t.Errorf("exit code %d", code)
	}
}

// Connections that wait to be accepted when the signal comes are answered: the process is stopped while they arrive.
func TestBacklogIsAnswered(t *testing.T) {
	s := start(t, "--model_base_path="+testModels(t)+"/half_plus_two", "--model_name=half_plus_two")
	http.DefaultClient.CloseIdleConnections()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const body = `{"instances":[1.0]}`
	var conns []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		conns = append(conns, c)
	}
	var calls sync.WaitGroup
	for range 8 { // each on a connection of its own
		conn := s.dial()
		conn.Connect()
		calls.Go(func() {
			if y := new(apis_go_proto.PredictResponse); rpctest.Call(t.Context(), conn, "Predict", predictRequest("half_plus_two", 1), y) != nil || y.Outputs["y"] == nil {
				t.Errorf("gRPC: %v", y)
			}
		})
	}
	inBacklog(t, s.grpc, 8)
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Process.Signal(syscall.SIGCONT)
	defer calls.Wait()
	for i, c := range conns {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		got, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || squeeze(string(got)) != `{"predictions":[3.5]}` {
			t.Errorf("connection %d: %d %s", i, resp.StatusCode, got)
		}
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// inBacklog waits until so many connections to the address wait to be accepted, by the kernel's own list.
func inBacklog(t *testing.T, address string, n int) {
	t.Helper()
	_, digits, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(digits)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for found := 0; found < n; {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d connections have come", found, n)
		}
		found = 0
		for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			raw, err := os.ReadFile(table)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(raw)) { // local address, remote address, state, queues; 01: established
				if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "01" {
					found++
				}
			}
		}
	}
}

// With --shutdown_delay the server says at once that it is not ready, and answers new connections until the delay is over; a second
// signal ends it at once. SIGHUP does neither.
func TestShutdownDelay(t *testing.T) {
	s := start(t, "--model_base_path="+testModels(t)+"/half_plus_two", "--shutdown_delay=1h")
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.eventually("SIGHUP is noted", func() bool { return strings.Contains(s.log.String(), "SIGHUP does nothing") })
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.eventually("not ready", func() bool { return s.status("/readyz") == 503 })
	http.DefaultClient.CloseIdleConnections()
	s.want("POST", "/v1/models/default:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	if ws := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", s.cmd.ProcessState)
	}
	short := start(t, "--model_base_path="+testModels(t)+"/half_plus_two", "--shutdown_delay=100ms")
	if code := short.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A log that nobody reads holds up no request, and the lines it loses are counted and told of; so is a log whose reader has gone.
func TestLogThatNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := launchWith(t, func(cmd *exec.Cmd) { cmd.Stderr = write }, "--model_base_path="+testModels(t)+"/half_plus_two", "--access_log_ratio=1", "--log_buffer_bytes=16KiB")
	write.Close()
	s.eventually("ready", func() bool { return s.status("/readyz") == 200 })
	dropped := func() float64 {
		return s.page("/metrics")["shoal_log_lines_dropped_total"].GetMetric()[0].GetCounter().GetValue()
	}
	predict := func() {
		s.want("POST", "/v1/models/default:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	}
	s.eventually("lines are dropped", func() bool { predict(); return dropped() > 10 })
	told := make(chan bool)
	go func() {
		defer close(told)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			if strings.Contains(lines.Text(), "log lines were dropped") {
				told <- true
				return
			}
		}
	}()
	if !<-told {
		t.Error("nothing tells of the lines that were dropped")
	}
	before := dropped()
	read.Close()
	s.eventually("lines are lost", func() bool { predict(); return dropped() > before })
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What a crash prints reaches standard error, though descriptor 2 does not block.
func TestCrashesAreSeen(t *testing.T) {
	s := start(t, "--model_base_path="+testModels(t)+"/half_plus_two")
	s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.done
	if !strings.Contains(s.log.String(), "SIGQUIT: quit") || !strings.Contains(s.log.String(), "goroutine ") {
		t.Errorf("no trace in the log\n%s", s.log)
	}
}
