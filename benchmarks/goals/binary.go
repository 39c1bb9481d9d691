package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"shoal/benchmarks/limits"
	"shoal/loadtest/bodies"
	"shoal/loadtest/load"
	"shoal/loadtest/tune"
	"shoal/serving/oip"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// binaryBody is a request of the Open Inference Protocol whose tensors are binary, both ways.
func binaryBody(sig *tensor.Signature, r *bodies.Request) load.Body {
	head := []byte(`{"parameters":{"binary_data_output":true},"inputs":[`)
	var raw []byte
	for i := range r.Inputs {
		t := &r.Inputs[i]
		if i > 0 {
			head = append(head, ',')
		}
		head = tensorjson.AppendString(append(head, `{"name":`...), []byte(sig.Inputs[i].Name))
		head = fmt.Appendf(head, `,"datatype":%q,"shape":%v,"parameters":{"binary_data_size":%d}}`, oip.Datatype(t.DType), t.Shape, oip.RawSize(t))
		raw = oip.AppendRaw(raw, t)
	}
	head = append(head, "]}"...)
	return load.Body{Data: append(head, raw...), Rows: r.Rows, Headers: "Inference-Header-Content-Length: " + strconv.Itoa(len(head)) + "\r\n"}
}

// overBinary drives any server with the binary bodies.
func (w *work) overBinary(ctx context.Context, p *limits.Process, clients int, d time.Duration) (*measured, error) {
	t, err := load.NewREST("http://"+p.REST+"/v2/models/"+w.model+"/infer", w.binary, nil, nil)
	if err != nil {
		return nil, err
	}
	return drive(ctx, p, t, clients, d)
}

// binaryAnswer is the answer to the first request.
func (w *work) binaryAnswer(p *limits.Process) ([]byte, error) {
	b := w.binary[0]
	req, err := http.NewRequest(http.MethodPost, "http://"+p.REST+"/v2/models/"+w.model+"/infer", bytes.NewReader(b.Data))
	if err != nil {
		return nil, err
	}
	name, value, _ := strings.Cut(strings.TrimSpace(b.Headers), ": ")
	req.Header.Set(name, value)
	return get(http.DefaultClient.Do(req))
}

// binaryTensors measures binary tensors by REST beside the JSON of :predict, with the MLP's rows.
func (s *suite) binaryTensors(ctx context.Context) error {
	dir := filepath.Join(s.models, "test", "mlp")
	shoal, err := limits.StartShoal(ctx, s.binary, "mlp", dir)
	if err != nil {
		return err
	}
	defer shoal.Stop()
	loop, err := tune.OpenLoop(filepath.Join(dir, "1"), tune.LoopOptions{Instances: runtime.NumCPU()})
	if err != nil {
		return err
	}
	defer loop.Close()
	for _, rows := range []int{1, 64} {
		if err := s.binaryRows(ctx, shoal, loop, rows); err != nil {
			return err
		}
	}
	return nil
}

// binaryRows is what is left when reading and writing HTTP and running the model have taken their share; and the server's processor time
// beside that of :predict.
func (s *suite) binaryRows(ctx context.Context, shoal *limits.Process, loop *tune.Loop, rows int) error {
	w, err := newWork(shoal, "mlp", rows, max(1024/rows/8, 16))
	if err != nil {
		return err
	}
	answer, err := w.binaryAnswer(shoal)
	if err != nil {
		return err
	}
	echo, err := startOther(ctx, roleEcho, answer)
	if err != nil {
		return err
	}
	defer echo.Stop()
	connections := max(clients/rows, 8)
	var got, limit, ratio, cpu, text, textCPU []float64
	for range rounds {
		b, err := w.overBinary(ctx, shoal, connections, s.length/2)
		if err != nil {
			return fmt.Errorf("binary: %w", err)
		}
		j, err := w.overREST(ctx, shoal, connections, s.length/2)
		if err != nil {
			return fmt.Errorf("JSON: %w", err)
		}
		e, err := w.overBinary(ctx, echo, connections, s.length/2)
		if err != nil {
			return fmt.Errorf("echo: %w", err)
		}
		batch := rows
		if b.Server != nil {
			batch = max(rows, int(b.Server.Batch+0.5))
		}
		r, err := loop.Throughput(batch, s.length/4)
		if err != nil {
			return err
		}
		composite := 1 / (1/e.Throughput + float64(rows)/r)
		got, limit, ratio = append(got, b.Throughput), append(limit, composite), append(ratio, b.Throughput/composite)
		cpu, text, textCPU = append(cpu, float64(b.cpu.Microseconds())), append(text, j.Throughput), append(textCPU, float64(j.cpu.Microseconds()))
	}
	name := fmt.Sprintf("%d rows", rows)
	if rows == 1 {
		name = "1 row"
	}
	s.say("%s: %.0f requests/s binary, %.0f by :predict", name, median(got), median(text))
	s.add(goal{Name: "16 binary REST, " + name, Measured: rate(median(got)), Limit: rate(median(limit)) + " composite", Ratio: median(ratio), AtLeast: 0.85})
	s.add(goal{Name: "16 CPU a request, binary REST, " + name, Measured: fmt.Sprintf("%.0f µs", median(cpu)), Limit: fmt.Sprintf("%.0f µs :predict", median(textCPU)),
		Ratio: median(cpu) / median(textCPU), AtMost: 1})
	return nil
}
