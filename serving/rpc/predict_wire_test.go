package rpc

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/serving/rpc/rpctest"
	"shoal/tensor"
)

type rawMessage []byte

type rawCodec struct{}

func TestPredictWireForms(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	send := func(wire []byte) (*apis_go_proto.PredictResponse, error) {
		resp := new(apis_go_proto.PredictResponse)
		err := conn.Invoke(t.Context(), "/tensorflow.serving.PredictionService/Predict", rawMessage(wire), resp, grpc.ForceCodec(rawCodec{}))
		return resp, err
	}
	marshal := func(m proto.Message) []byte {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	stale := marshal(&apis_go_proto.PredictRequest{Inputs: protos{"x": floatProto([]int64{1}, 100)}})
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7)

	// One entry whose value comes in two parts, unpacked: merged they are a shape of [2] and the values 1, 2.
	part := func(v float32, withType bool) []byte {
		var p []byte
		if withType {
			p = marshal(tensorProto(tensor.Float32, 2))
		}
		p = protowire.AppendTag(p, 5, protowire.Fixed32Type)
		return protowire.AppendFixed32(p, math.Float32bits(v))
	}
	entry := protowire.AppendTag(nil, 2, protowire.BytesType)
	entry = protowire.AppendBytes(entry, part(1, true))
	entry = protowire.AppendTag(entry, 1, protowire.BytesType)
	entry = protowire.AppendString(entry, "x")
	entry = protowire.AppendTag(entry, 2, protowire.BytesType)
	entry = protowire.AppendBytes(entry, part(2, false))
	wire := append(marshal(predictRequestOf("half_plus_two", "", nil)), unknown...)
	wire = append(wire, stale...)
	wire = protowire.AppendBytes(protowire.AppendTag(wire, 2, protowire.BytesType), entry)
	wire = append(wire, marshal(&apis_go_proto.PredictRequest{ModelSpec: &apis_go_proto.ModelSpec{SignatureName: "serving_default"}})...)

	resp, err := send(wire)
	if err != nil || !proto.Equal(resp.Outputs["y"], floatProto([]int64{2}, 3.5, 4)) {
		t.Errorf("got %v, %v", resp, err)
	}
	for n := range wire {
		if _, err := send(wire[:n]); status.Code(err) == codes.Unavailable {
			t.Fatalf("the first %d bytes broke the connection: %v", n, err)
		}
	}
	_, err = send([]byte("\x12\x03\x0a\x01\xff"))
	if st := status.Convert(err); st.Code() != codes.Internal || !strings.Contains(st.Message(), "UTF-8") {
		t.Errorf("invalid UTF-8 in a key: %v", err)
	}
}

func TestPredictDeadline(t *testing.T) {
	c := newCore()
	var got time.Time
	c.Loaded["scalar"][1].add("when", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, deadline time.Time) ([]tensor.Tensor, error) {
		got = deadline
		return in, nil
	})
	req := predictRequestOf("scalar", "when", protos{"x": floatProto(nil, 1)})
	for _, c2 := range []struct {
		client, server time.Duration
		want           time.Duration // 0: no deadline
	}{{0, 0, 0}, {time.Hour, 0, time.Hour}, {0, time.Minute, time.Minute}, {time.Hour, time.Minute, time.Hour}} {
		conn := start(t, Options{Core: c, DefaultTimeout: c2.server})
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if c2.client > 0 {
			ctx, cancel = context.WithTimeout(ctx, c2.client)
		}
		before := time.Now()
		err := rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse))
		after := time.Now()
		cancel()
		switch {
		case err != nil:
			t.Error(err)
		case c2.want == 0 && !got.IsZero():
			t.Errorf("%v: deadline %v", c2, got)
		// gRPC rounds a timeout up to a unit of the wire, of which an hour has at most 8 digits: 100 µs.
		case c2.want > 0 && (got.Before(before.Add(c2.want-time.Second)) || got.After(after.Add(c2.want+time.Second))):
			t.Errorf("%v: deadline is %v from the call", c2, got.Sub(before))
		}
	}
}

func TestPredictCancelled(t *testing.T) {
	c := newCore()
	entered, left := make(chan struct{}, 1), make(chan error, 1)
	c.Loaded["scalar"][1].add("wait", predictMethod, floatX, floatY, func(ctx context.Context, _ []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		entered <- struct{}{}
		<-ctx.Done()
		left <- ctx.Err()
		return nil, ctx.Err()
	})
	conn := start(t, Options{Core: c})
	req := predictRequestOf("scalar", "wait", protos{"x": floatProto(nil, 1)})

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if err := rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse)); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the servable saw %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	<-entered
	<-left
}
