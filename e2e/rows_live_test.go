package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	apis "github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/engine/tensorflow"
	"shoal/serving/predictionlog/tfrecord"
)

// Where nothing can be said before the first request, live ones decide: rows that are independent are batched from then on, and others
// never are. The answers are right all the while.
func TestLiveRequestsDecide(t *testing.T) {
	config, _ := rowModels(t)
	s := start(t, "--model_config_file="+config)
	for name, batched := range map[string]bool{"key": true, "key_ranker": false} {
		if got := s.batchingOf()[name+"/serving_default"]; got.Batched || !strings.Contains(got.Reason, "the model refuses the rows") {
			t.Fatalf("%s at first: %+v", name, got)
		}
		for n := 1; ; n++ {
			want := fmt.Sprintf(`{"predictions":[%d.0]}`, n)
			if !batched {
				want = `{"predictions":[1.0]}`
			}
			if code, answer, _, err := post(s.url+"/v1/models/"+name+":predict", fmt.Sprintf(`{"instances":["key=%d"]}`, n)); err != nil || code != 200 || squeeze(string(answer)) != want {
				t.Fatalf("%s: %d %s %v, want %s", name, code, answer, err, want)
			}
			got := s.batchingOf()[name+"/serving_default"]
			if batched && got.Batched && strings.Contains(got.Reason, "as live requests show") || !batched && strings.Contains(got.Reason, "depend on each other") {
				t.Logf("%s: decided after %d requests: %s", name, n, got.Reason)
				break
			}
			if n == 20000 {
				t.Fatalf("%s: undecided after %d requests: %+v", name, n, got)
			}
		}
	}
	if !strings.Contains(s.log.String(), "share batches from now on") || !strings.Contains(s.log.String(), "go on running alone") {
		t.Errorf("the log does not say what was found\n%s", s.log)
	}
}

// What no made-up row shows is found while the version serves: after the first answer out of a batch that is not the request's own, the
// log has an error, and the signature is not batched any more.
func TestLiveBatchesAreCompared(t *testing.T) {
	s := start(t, "--model_name=hidden", "--model_base_path="+made(t, "rows")+"/hidden")
	if got := s.batchingOf()["hidden/serving_default"]; !got.Batched {
		t.Fatalf("at first: %+v", got)
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	for c := range 12 {
		wg.Go(func() {
			for n := 0; !done.Load() && n < 20000; n++ {
				body := `{"instances":[1.5]}`
				if (c+n)%4 == 0 {
					body = `{"instances":[99999.0]}`
				}
				if code, answer, _, err := post(s.url+"/v1/models/hidden:predict", body); err != nil || code != 200 {
					t.Errorf("%d %s %v", code, answer, err)
					return
				}
				if c == 0 && n%10 == 0 && !s.batchingOf()["hidden/serving_default"].Batched {
					done.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if got := s.batchingOf()["hidden/serving_default"]; got.Batched || !strings.Contains(got.Reason, "depend on each other") {
		t.Fatalf("in the end: %+v", got)
	}
	s.says("a signature that was batched must not be")
	for range 12 {
		wg.Go(func() {
			for n := range 20 {
				if n%4 == 0 {
					_, _, _, _ = post(s.url+"/v1/models/hidden:predict", `{"instances":[99999.0]}`)
					continue
				}
				if code, answer, _, err := post(s.url+"/v1/models/hidden:predict", `{"instances":[1.5]}`); err != nil || code != 200 || squeeze(string(answer)) != `{"predictions":[3.0]}` {
					t.Errorf("afterwards: %d %s %v", code, answer, err)
				}
			}
		})
	}
	wg.Wait()
}

// Recorded warm-up requests prove what made-up rows cannot, before the first client's request.
func TestRecordedRequestsDecide(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"key", "key_ranker", "hidden"} {
		dir := filepath.Join(root, name, "1")
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(made(t, "rows"), name, "1"))); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "assets.extra"), 0o755); err != nil {
			t.Fatal(err)
		}
		var file []byte
		for _, n := range []int{3, 14, 15, 92, 99999} {
			value := &tensor_go_proto.TensorProto{TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 1}}}}
			if name == "hidden" {
				value.Dtype, value.FloatVal = types_go_proto.DataType_DT_FLOAT, []float32{float32(n)}
			} else {
				value.Dtype, value.StringVal = types_go_proto.DataType_DT_STRING, [][]byte{fmt.Appendf(nil, "key=%d", n)}
			}
			raw, err := proto.Marshal(&apis.PredictionLog{LogType: &apis.PredictionLog_PredictLog{PredictLog: &apis.PredictLog{
				Request: &apis.PredictRequest{ModelSpec: &apis.ModelSpec{Name: name}, Inputs: map[string]*tensor_go_proto.TensorProto{inputOf(t, dir): value}}}}})
			if err != nil {
				t.Fatal(err)
			}
			file = tfrecord.Append(file, raw)
		}
		if err := os.WriteFile(filepath.Join(dir, "assets.extra", "tf_serving_warmup_requests"), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := "model_config_list {\n"
	for _, name := range []string{"key", "key_ranker", "hidden"} {
		config += fmt.Sprintf("config { name: %q base_path: %q model_platform: \"tensorflow\" }\n", name, filepath.Join(root, name))
	}
	s := start(t, "--model_config_file="+writeFile(t, t.TempDir(), "models.config", config+"}\n"))
	states := s.batchingOf()
	for name, want := range map[string]bool{"key": true, "key_ranker": false, "hidden": false} {
		if got := states[name+"/serving_default"]; got.Batched != want || strings.Contains(got.Reason, "refuses") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// inputOf is the name of the default signature's only input.
func inputOf(t *testing.T, dir string) string {
	t.Helper()
	meta, err := tensorflow.ReadMetaGraph(dir, []string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	signatures := tensorflow.Describe(meta).Signatures
	return signatures["serving_default"].Inputs[0].Name
}
