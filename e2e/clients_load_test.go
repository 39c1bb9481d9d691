package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"shoal/serving/rpc/rpctest"
)

// predictRequest asks a model that maps x [n] to y [n].
func predictRequest(model string, x ...float32) *apis_go_proto.PredictRequest {
	shape := &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: int64(len(x))}}}
	return &apis_go_proto.PredictRequest{
		ModelSpec: &apis_go_proto.ModelSpec{Name: model},
		Inputs:    map[string]*tensor_go_proto.TensorProto{"x": {Dtype: types_go_proto.DataType_DT_FLOAT, TensorShape: shape, FloatVal: x}},
	}
}

// predictRPC returns the one value of y, and the version that answered.
func predictRPC(ctx context.Context, conn *grpc.ClientConn, model string, x float32) (y float32, version int64, err error) {
	resp := new(apis_go_proto.PredictResponse)
	if err := rpctest.Call(ctx, conn, "Predict", predictRequest(model, x), resp); err != nil {
		return 0, 0, err
	}
	if v := resp.Outputs["y"].GetFloatVal(); len(v) == 1 {
		return v[0], resp.GetModelSpec().GetVersion().GetValue(), nil
	}
	return 0, 0, fmt.Errorf("answer %v", resp)
}

// A thousand calls at once, half by REST and half by gRPC: each gets its own answer, and they travel together. What the largest
// batch is and how long the last call waits would depend on the machine, so both are given.
func TestThousandMixedCalls(t *testing.T) {
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--max_batch_size=64", "--rest_api_timeout_in_ms=300000")
	conns := []*grpc.ClientConn{s.dial(), s.dial(), s.dial(), s.dial()}
	var rows atomic.Int64
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			<-begin
			code, body, h, err := post(s.url+"/v1/models/slow:predict", fmt.Sprintf(`{"instances":[%d.0]}`, i))
			if err != nil || code != 200 || squeeze(string(body)) != fmt.Sprintf(`{"predictions":[%d.0]}`, i+1) {
				t.Errorf("REST %d: %d %s %v", i, code, body, err)
			}
			n, _ := strconv.Atoi(h.Get("Shoal-Batch-Size"))
			rows.Add(int64(n))
		})
		wg.Go(func() {
			<-begin
			if y, _, err := predictRPC(t.Context(), conns[i%len(conns)], "slow", float32(1000+i)); err != nil || y != float32(1001+i) {
				t.Errorf("gRPC %d: %v %v", i, y, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if mean := float64(rows.Load()) / 500; mean <= 1 {
		t.Errorf("the mean REST request travelled in a batch of %.1f", mean)
	} else {
		t.Logf("the mean REST request travelled in a batch of %.1f", mean)
	}
}

// A batch of two leaves when it is full, and not before the test is long over: a call by REST and one by gRPC fill it.
func TestBothAPIsFillOneBatch(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two", "--rest_api_timeout_in_ms=300000", "--batching_parameters_file="+
		writeFile(t, t.TempDir(), "b", `max_batch_size { value: 2 } batch_timeout_micros { value: 600000000 } num_batch_threads { value: 1 }`))
	conn := s.dial()
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp := s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`); resp.Header.Get("Shoal-Batch-Size") != "2" {
			t.Errorf("headers %v", resp.Header)
		}
	})
	wg.Go(func() {
		if y, _, err := predictRPC(t.Context(), conn, "half_plus_two", 2); err != nil || y != 4 {
			t.Errorf("%v %v", y, err)
		}
	})
	wg.Wait()
}

// The server itself ends a call whose deadline passes in the queue: with its status, or, where gRPC's own clock was quicker,
// by taking the stream back.
func TestDeadlineInTheQueue(t *testing.T) {
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--batching_parameters_file="+
		writeFile(t, t.TempDir(), "b", `max_batch_size { value: 1 } max_enqueued_batches { value: 1000 } num_batch_threads { value: 1 }`))
	conn := s.dial()
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	for range 50 { // they keep a second's work in the queue
		wg.Go(func() {
			for !stop.Load() {
				if _, _, err := predictRPC(t.Context(), conn, "slow", 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	// A client of gRPC would end the call by itself, and never see the server's answer: this one speaks plain HTTP/2.
	message, err := proto.Marshal(predictRequest("slow", 1))
	if err != nil {
		t.Fatal(err)
	}
	body := string([]byte{0, 0, 0, 0, byte(len(message))}) + string(message)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	deadlineExceeded := strconv.Itoa(int(codes.DeadlineExceeded))
	call := func() (code, text string) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.grpc+"/tensorflow.serving.PredictionService/Predict", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"150m"}}
		resp, err := transport.RoundTrip(req)
		if err != nil && strings.Contains(err.Error(), "CANCEL; received from peer") {
			return deadlineExceeded, "it was not run"
		}
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		get := func(name string) string { return resp.Trailer.Get(name) + resp.Header.Get(name) }
		return get("Grpc-Status"), get("Grpc-Message")
	}
	code, text := call()
	for code == "0" { // the queue was still filling
		code, text = call()
	}
	if code != deadlineExceeded || !strings.Contains(text, "it was not run") {
		t.Errorf("status %s, %q", code, text)
	}
}

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
