package rpc

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/serving/rpc/rpctest"
	"shoal/tensor"
)

const mib = 1 << 20

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if now := <-tick.C; now.After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A small message may stand for a large tensor. It is refused before there is memory for it, and its neighbours are answered.
func TestSmallMessageLargeTensor(t *testing.T) {
	budget := tensor.NewBudget(64 * mib)
	conn := start(t, Options{Core: newCore(), Budget: budget})
	giant := predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{20_000_000}, 2)}) // 80 MB
	large := predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1_000_000}, 2)})  // and as large an answer
	for range 10 {
		_, err := call(t, conn, giant)
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "--max_inflight_bytes=67108864") {
			t.Fatalf("got %v", err)
		}
		if _, err := call(t, conn, halfOfTwo); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := call(t, conn, large); err != nil {
		t.Error(err)
	}
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
}

// A large message takes memory as it arrives, however it is compressed, and is refused where there is none.
func TestLargeMessages(t *testing.T) {
	budget := tensor.NewBudget(64 * mib)
	conn := start(t, Options{Core: newCore(), Budget: budget})
	of := func(n int) *apis_go_proto.PredictRequest {
		return predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{int64(n)}, make([]float32, n)...)})
	}
	for _, how := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}, {grpc.UseCompressor("deflate")}} {
		resp := new(apis_go_proto.PredictResponse)
		if err := rpctest.Call(t.Context(), conn, "Predict", of(1_000_000), resp, how...); err != nil || len(resp.Outputs["y"].FloatVal) != 1_000_000 {
			t.Errorf("%v", err)
		}
		eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
		if err := rpctest.Call(t.Context(), conn, "Predict", of(16*mib), resp, how...); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "--max_inflight_bytes") {
			t.Errorf("%v", err)
		}
		eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
	}
}

// http2Client writes frames as it likes.
type http2Client struct {
	net.Conn
	*http2.Framer
}

func dialHTTP2(t *testing.T, addr string) *http2Client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	h := &http2Client{c, http2.NewFramer(c, c)}
	if err := h.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return h
}

// begin opens a stream with a message of which length is declared and sent arrives.
func (h *http2Client) begin(t *testing.T, stream uint32, length uint32, sent []byte) {
	t.Helper()
	var block strings.Builder
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/" + PredictionService + "/Predict"}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(block.String()), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	head := []byte{0, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}
	if err := h.WriteData(stream, false, append(head, sent...)); err != nil {
		t.Fatal(err)
	}
}

// A message that is declared and does not come holds what has come; its connection's end gives it back.
func TestHeldMessages(t *testing.T) {
	budget := tensor.NewBudget(64 * mib)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, Options{Core: newCore(), Budget: budget}, l)
	h := dialHTTP2(t, l.Addr().String())
	defer h.Close()
	go io.Copy(io.Discard, h.Conn)
	for i := range uint32(10) {
		h.begin(t, 2*i+1, 20*mib, make([]byte, 1000))
	}
	eventually(t, "all are being read", func() bool { return budget.Used() >= 10*piece })
	if used := budget.Used(); used > 10*(piece+64<<10) {
		t.Errorf("%d bytes are held for 10 messages of which 1000 bytes have come", used)
	}
	h.Close()
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
}

// An answer that nobody reads counts until its connection ends.
func TestUnreadAnswers(t *testing.T) {
	budget := tensor.NewBudget(256 * mib)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, Options{Core: newCore(), Budget: budget}, l)
	h := dialHTTP2(t, l.Addr().String())
	defer h.Close()
	req := predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{4 * mib}, 2)})
	wire, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(3) {
		h.begin(t, 2*i+1, uint32(len(wire)), wire)
		if err := h.WriteData(2*i+1, true, nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the answers wait", func() bool { return budget.Used() >= 3*16*mib })
	h.Close()
	eventually(t, "all is given back", func() bool {
		runtime.GC() // finds the answers that gRPC has dropped
		return budget.Used() == 0
	})
}

// A stream of many calls gets no more memory than there is.
func TestManyAtOnce(t *testing.T) {
	budget := tensor.NewBudget(32 * mib)
	conn := start(t, Options{Core: newCore(), Budget: budget})
	req := predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{mib}, 2)}) // 4 MiB, and the answer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results := make(chan error, 50)
	for range cap(results) {
		go func() {
			results <- rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse))
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil && status.Code(err) != codes.ResourceExhausted {
			t.Error(err)
		}
		if used := budget.Used(); used > budget.Limit() {
			t.Errorf("%d bytes are held of %d", used, budget.Limit())
		}
	}
	eventually(t, "all is given back", func() bool { return budget.Used() == 0 })
}
