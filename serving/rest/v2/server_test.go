package v2_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"shoal/batcher"
	"shoal/serving/rest"
	"shoal/serving/rest/v2"
	"shoal/tensor"
)

// TestBinaryOverHTTP sends large and small binary tensors through a real server, which reads them where they lie. All memory is given
// back, also where the model reads on when its client has gone.
func TestBinaryOverHTTP(t *testing.T) {
	budget := tensor.NewBudget(64 << 20)
	core := newCore()
	c := &client{t: t}
	var late sync.WaitGroup
	gone := make(chan struct{})
	core.Loaded["echo"][1].Compute = func(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) { // a batch that outlives its request
		e.Arena.Retain()
		late.Go(func() {
			defer e.Arena.Free()
			<-gone
			for _, b := range e.Inputs[0].Data {
				if b != 'x' {
					t.Error("the tensor has changed while it was read")
					return
				}
			}
		})
		return nil, context.DeadlineExceeded
	}
	c.api = v2.New(v2.Options{Core: core})
	server := rest.New(rest.Options{Core: core, APIs: []rest.API{c.api}, Budget: budget})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	transport := new(http.Transport)
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for k := range 20 {
				n := []int{1, 100, 3000, 70_000}[(i+k)%4]
				version, letter := []string{"1", "2"}[k%2], []string{"x", "y"}[k%2]
				raw := strings.Repeat(letter, 4*n)
				json := fmt.Sprintf(`{"outputs":[{"name":"x","parameters":{"binary_data":true}}],"inputs":[{"name":"a","shape":[1,%d],"datatype":"FP32","parameters":{"binary_data_size":%d}}]}`, n, 4*n)
				req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+ln.Addr().String()+"/v2/models/echo/versions/"+version+"/infer", strings.NewReader(json+raw))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Inference-Header-Content-Length", strconv.Itoa(len(json)))
				resp, err := transport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				switch {
				case err != nil:
					t.Error(err)
				case version == "1" && resp.StatusCode != http.StatusGatewayTimeout, version == "2" && !strings.HasSuffix(string(body), "}"+raw):
					t.Errorf("%d floats: %d, %d bytes", n, resp.StatusCode, len(body))
				}
			}
		})
	}
	clients.Wait()
	close(gone)
	late.Wait()
	transport.CloseIdleConnections()
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}
