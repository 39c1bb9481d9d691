package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/loadtest/load"
)

// actors are all kinds of work besides the steady ones.
func (s *site) actors() []actor {
	all := []actor{s.moveVersions, s.configure, s.askPassing, s.lateCalls, s.badNeighbours, s.bigRequests,
		s.malformedJSON, s.malformedMessages, s.malformedHTTP, s.bombs, s.stall, s.slowReaders, s.pages, s.watchers}
	for _, model := range []string{"moving", "chosen"} {
		all = append(all, func(ctx context.Context) { s.askREST(ctx, model, false) }, func(ctx context.Context) { s.askREST(ctx, model, true) },
			func(ctx context.Context) { s.askRPC(ctx, model) })
	}
	return all
}

// half asks half_plus_two by gRPC: x/2 + 2 of version 1, x/2 + 3 of version 2. A wrong answer is counted as one.
func (s *site) half(ctx context.Context, model string, x float32) (y float32, version int64, err error) {
	req := &apis_go_proto.PredictRequest{ModelSpec: &apis_go_proto.ModelSpec{Name: model}, Inputs: map[string]*tensor_go_proto.TensorProto{"x": {
		Dtype: types_go_proto.DataType_DT_FLOAT, FloatVal: []float32{x},
		TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 1}}},
	}}}
	resp := new(apis_go_proto.PredictResponse)
	if err := s.conn.Invoke(ctx, load.PredictMethod, req, resp); err != nil {
		return 0, 0, err
	}
	version = resp.GetModelSpec().GetVersion().GetValue()
	if v := resp.GetOutputs()["y"].GetFloatVal(); len(v) == 1 && v[0] == x/2+float32(version)+1 {
		return v[0], version, nil
	}
	s.tally.mistake("%s of %v by gRPC: %v", model, x, resp)
	return 0, version, errWrong
}

// errWrong has been counted already.
var errWrong = errors.New("a wrong answer")

// askRPC asks a model that always has a version.
func (s *site) askRPC(ctx context.Context, model string) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		_, _, err := s.half(call, model, float32(rand.IntN(1000)))
		cancel()
		s.judgeRPC(model+", gRPC, versions change", err)
	}
}

func (s *site) judgeRPC(kind string, err error) {
	switch {
	case err == nil:
		s.tally.right(kind)
	case errors.Is(err, errWrong):
	case status.Code(err) == codes.Unavailable && !load.AnsweredByServer(err), status.Code(err) == codes.DeadlineExceeded:
		s.tally.lose("%s: %v", kind, err)
	default:
		s.busy(kind, true, int(status.Code(err)))
	}
}

// askREST does the same by REST, where the answer's version is in a header; gzipped, both bodies are.
func (s *site) askREST(ctx context.Context, model string, gzipped bool) {
	kind := model + ", REST, versions change"
	if gzipped {
		kind = model + ", REST with gzip, versions change"
	}
	for ctx.Err() == nil {
		n := 1 + rand.IntN(8)
		if gzipped {
			n += 500
		}
		s.askHalves(context.WithoutCancel(ctx), kind, model, n, gzipped)
	}
}

// askHalves sends n instances in one request, and checks each.
func (s *site) askHalves(ctx context.Context, kind, model string, n int, gzipped bool) {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(rand.IntN(1000))
	}
	body, _ := json.Marshal(map[string]any{"instances": x}) // numbers
	if gzipped {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(body) // a buffer takes everything
		_ = z.Close()
		body = packed.Bytes()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.rest+"/v1/models/"+model+":predict", bytes.NewReader(body))
	if err != nil {
		s.tally.lose("%s: %v", kind, err)
		return
	}
	if gzipped {
		req.Header.Set("Content-Encoding", "gzip") // answers are asked for with gzip by net/http itself
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.tally.lose("%s: %v", kind, err)
		return
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		s.tally.lose("%s: %v", kind, err)
	case resp.StatusCode != http.StatusOK:
		s.busy(fmt.Sprintf("%s: %.300s", kind, answer), false, resp.StatusCode)
	default:
		s.judgeHalves(kind, resp.Header.Get("Shoal-Model-Version"), x, answer)
	}
}

func (s *site) judgeHalves(kind, version string, x []float64, answer []byte) {
	var got struct{ Predictions []float64 }
	v, err := strconv.ParseFloat(version, 64)
	if err == nil {
		err = json.Unmarshal(answer, &got)
	}
	if err != nil || len(got.Predictions) != len(x) {
		s.tally.mistake("%s: %d instances, version %q: %v %.300s", kind, len(x), version, err, answer)
		return
	}
	for i := range x {
		if got.Predictions[i] != x[i]/2+v+1 {
			s.tally.mistake("%s: %v of version %s is %v", kind, x[i], version, got.Predictions[i])
			return
		}
	}
	s.tally.right(kind)
}

// bigRequests are near the limit of a body, and beyond it.
func (s *site) bigRequests(ctx context.Context) {
	for ctx.Err() == nil {
		s.askHalves(context.WithoutCancel(ctx), "1 MB, REST", "moving", 200_000, false)
		s.askHalves(context.WithoutCancel(ctx), "1 MB gzipped, REST", "chosen", 200_000, true)
		pause(ctx, 100*time.Millisecond)
	}
}

// askPassing asks the model that is not always there.
func (s *site) askPassing(ctx context.Context) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		_, _, err := s.half(call, "passing", 4)
		cancel()
		if status.Code(err) == codes.NotFound {
			s.tally.fail()
		} else {
			s.judgeRPC("passing, gRPC", err)
		}
		pause(ctx, time.Millisecond)
	}
}

// lateCalls have deadlines that mostly pass.
func (s *site) lateCalls(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(i%20)*time.Millisecond)
		_, _, err := s.half(call, "moving", 4)
		cancel()
		if status.Code(err) == codes.DeadlineExceeded {
			s.tally.refuse("gRPC DeadlineExceeded, as was asked for")
		} else {
			s.judgeRPC("short deadlines, gRPC", err)
		}
		pause(ctx, time.Millisecond)
	}
}
