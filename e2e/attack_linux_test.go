package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"shoal/serving/rpc/rpctest"
)

const (
	attackPath   = "/v1/models/half_plus_two:predict"
	attackHead   = "POST " + attackPath + " HTTP/1.1\r\nHost: x\r\n"
	attackConns  = 60
	attackRounds = 3
)

// attack is what hostile clients do to a server, each in its own way.
type attack struct {
	*server
	ctx  context.Context
	conn []net.Conn // held to the end; guarded by mu
	mu   sync.Mutex
}

// open sends text on a connection of its own that stays open.
func (a *attack) open(text string) net.Conn {
	c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		return nil
	}
	a.mu.Lock()
	a.conn = append(a.conn, c)
	a.mu.Unlock()
	_, _ = io.WriteString(c, text) // it may well be refused meanwhile
	return c
}

func (a *attack) declared() {
	for range attackConns {
		a.open(attackHead + "Content-Length: 104857600\r\n\r\n")
		a.open("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
		a.open(attackHead + "Transfer-Encoding: chunked\r\n\r\n6300000\r\n{")
	}
}

func (a *attack) held() {
	part := strings.Repeat(" ", 1<<20)
	for range 20 {
		c := a.open(attackHead + "Content-Length: 41943040\r\n\r\n")
		for i := 0; i < 20 && c != nil; i++ {
			if _, err := io.WriteString(c, part); err != nil {
				break
			}
		}
	}
}

func (a *attack) slowReaders() {
	body := `{"instances": [1` + strings.Repeat(",1", 2<<20) + `]}`
	for range 20 {
		a.open(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", attackHead, len(body), body))
	}
}

func (a *attack) bombs() {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	blank := bytes.Repeat([]byte{' '}, 1<<20)
	for range 95 {
		_, _ = z.Write(blank)
	}
	_ = z.Close() // it writes to memory
	for range attackRounds {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				req, _ := http.NewRequestWithContext(a.ctx, "POST", a.url+attackPath, bytes.NewReader(bomb.Bytes()))
				req.Header.Set("Content-Encoding", "gzip")
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
		wg.Wait()
	}
}

// giants are small messages that stand for 104 MB.
func (a *attack) giants() {
	conn, err := grpc.NewClient(a.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer conn.Close()
	req := predictOf(26_000_000, 1)
	for range attackRounds {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_ = rpctest.Call(a.ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse))
			})
		}
		wg.Wait()
	}
}

// predictOf asks half_plus_two for one value, rows times.
func predictOf(rows int64, value float32) *apis_go_proto.PredictRequest {
	x := &tensor_go_proto.TensorProto{
		Dtype: types_go_proto.DataType_DT_FLOAT, FloatVal: []float32{value},
		TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: rows}}},
	}
	return &apis_go_proto.PredictRequest{
		ModelSpec: &apis_go_proto.ModelSpec{Name: "half_plus_two"}, Inputs: map[string]*tensor_go_proto.TensorProto{"x": x},
	}
}

// TestMemoryUnderAttack puts the server into a container's memory and tries all at once that could take more of it. The server
// lives, and a client beside that is answered.
func TestMemoryUnderAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	models := testModels(t)
	join := memoryGroup(t, 1<<30)
	s := launchWith(t, func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, join, program(t, "shoal")}, cmd.Args[1:]...)
	}, "--model_base_path="+models+"/half_plus_two", "--model_name=half_plus_two")
	s.eventually("the server is ready", func() bool { return s.status("/readyz") == http.StatusOK })
	if _, page := s.do("GET", "/metrics", ""); !strings.Contains(page, "shoal_inflight_limit_bytes") {
		t.Error("the limit is not on the page of metrics")
	}

	ctx, cancel := context.WithCancel(t.Context())
	a := &attack{server: s, ctx: ctx}
	var attackers sync.WaitGroup
	for _, do := range []func(){a.declared, a.held, a.slowReaders, a.bombs, a.giants} {
		attackers.Go(do)
	}
	over := make(chan struct{})
	go func() {
		attackers.Wait()
		close(over)
	}()
	defer func() {
		cancel()
		a.mu.Lock()
		for _, c := range a.conn {
			c.Close()
		}
		a.mu.Unlock()
		<-over
	}()

	conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var slowest time.Duration
	answers := 0
	timed := func(ask func()) {
		began := time.Now()
		ask()
		slowest = max(slowest, time.Since(began))
		answers++
	}
	for going := true; going && !t.Failed(); {
		timed(func() {
			s.want("POST", attackPath, `{"instances": [1, 5]}`, http.StatusOK, `{"predictions": [3.5, 5.5]}`)
		})
		timed(func() {
			resp := new(apis_go_proto.PredictResponse)
			if err := rpctest.Call(ctx, conn, "Predict", predictOf(1, 5), resp); err != nil || resp.Outputs["y"].FloatVal[0] != 5.5 {
				t.Errorf("%v, %v", resp.Outputs, err)
			}
		})
		select {
		case <-s.done:
			t.Fatalf("the server ended: %v", s.err)
		case <-over:
			going = false
		default:
		}
	}
	_, page := s.do("GET", "/metrics", "")
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "shoal_inflight") {
			t.Log(strings.TrimSpace(line))
		}
	}
	for _, name := range []string{"memory.max_usage_in_bytes", "memory.peak", "memory.failcnt", "memory.events"} { // of version 1 and 2
		if raw, err := os.ReadFile(filepath.Join(filepath.Dir(join), name)); err == nil {
			t.Logf("%s: %s", name, bytes.TrimSpace(raw))
		}
	}
	t.Logf("the slowest of %d answers took %v; %s", answers, slowest, peak(s.cmd.Process.Pid))
}

// peak is the line of the process's largest resident size.
func peak(pid int) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "VmHWM:") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return "its peak is not known"
}
