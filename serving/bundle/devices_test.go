package bundle

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/devices"
	"shoal/devices/fake"
	"shoal/engine/tensorflow"
	"shoal/internal/testlog"
	"shoal/serving"
	"shoal/tensor"
)

// harbour is a fleet of fake GPUs whose place TensorFlow's virtual CPUs take: discovery, loss and return are the fakes', the sessions
// are real.
type harbour struct {
	t       *testing.T
	fleet   *devices.Fleet
	manager *fake.Manager
	gpus    []*devices.Device
	options Options
	log     *testlog.Log

	mu     sync.Mutex
	broken map[string]bool // devices on which every run fails
	ran    map[string]int  // rows, by device
}

func newHarbour(t *testing.T, n int, groups string) *harbour {
	t.Helper()
	h := &harbour{t: t, gpus: fake.GPUs(n), log: new(testlog.Log), broken: make(map[string]bool), ran: make(map[string]int)}
	h.manager = fake.New(h.gpus...)
	inv := devices.Discover(devices.Options{Manager: h.manager, Environment: func(string) (string, bool) { return "", false }})
	selection, err := inv.Select("gpu")
	if err != nil {
		t.Fatal(err)
	}
	for i := range selection.Targets {
		selection.Targets[i].TensorFlowName = fmt.Sprintf("/device:CPU:%d", i)
	}
	g, err := devices.ParseGroups([]byte(groups))
	if err != nil {
		t.Fatal(err)
	}
	logger := h.log.Logger()
	h.fleet = devices.NewFleet(h.manager, selection, g, devices.WatchOptions{
		Every: 5 * time.Millisecond, Retry: 20 * time.Millisecond, MaxRetry: 40 * time.Millisecond, Logger: logger,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- h.fleet.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	h.options = Options{
		Engine: &tensorflow.Engine{VirtualCPUs: 3}, Devices: h.fleet, Instances: 1, GPUInstances: 2, Batch: BatchProven, SyntheticWarmup: true, Warmup: true, Logger: logger,
		Batching: batcher.Config{MaxBatchSize: 8}, wrap: func(x batcher.Placed) batcher.Placed { return &leaky{x, h} },
	}
	return h
}

// leaky is an instance that fails as the GPU's do.
type leaky struct {
	batcher.Placed
	h *harbour
}

func (x *leaky) Run(b *tensor.Batch) (*tensor.Result, error) {
	x.h.mu.Lock()
	broken := x.h.broken[x.Device()]
	if !broken {
		x.h.ran[x.Device()] += b.Rows
	}
	x.h.mu.Unlock()
	if broken {
		return nil, status.Error(codes.Internal, "CUDA error: failed to launch: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure")
	}
	return x.Placed.Run(b)
}

func (h *harbour) breaks(device string, broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken[device] = broken
	h.ran = make(map[string]int)
}

func (h *harbour) rows(device string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ran[device]
}

// load loads a test model; the test is skipped where the models were not made.
func (h *harbour) load(model string) *Bundle {
	h.t.Helper()
	b, err := h.tryLoad(model)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(b.Close)
	return b
}

func (h *harbour) tryLoad(model string) (*Bundle, error) {
	h.t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".cache", "models", "test", model, "1"))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		h.t.Skip("the test models are not there (make test-deps makes them)")
	}
	s, err := NewLoader(h.options)(serving.ModelConfig{Name: model}, 1, dir).Load(h.t.Context())
	if err != nil {
		return nil, err
	}
	return s.(*Bundle), nil
}

// halve asks half_plus_two and checks the answer.
func halve(b *Bundle, x float32) error {
	sig, _ := b.Signature("")
	in := tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{1}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(x))}
	a, err := b.Run(context.Background(), batcher.Entry{Signature: sig, Inputs: []tensor.Tensor{in}})
	if err != nil {
		return err
	}
	defer a.Free()
	if got := math.Float32frombits(binary.LittleEndian.Uint32(a.Outputs[0].Data)); got != x/2+2 {
		return fmt.Errorf("half of %g plus two is %g", x, got)
	}
	return nil
}

// during keeps clients asking while f runs, and returns how many were refused.
func (h *harbour) during(b *Bundle, clients int, f func()) (refused int64) {
	var stop atomic.Bool
	var failed atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if err := halve(b, float32(c*1000+i)); err != nil {
					failed.Add(1)
					if status.Code(err) != codes.Unavailable {
						h.t.Error(err)
					}
				}
			}
		})
	}
	f()
	stop.Store(true)
	wg.Wait()
	return failed.Load()
}

// until polls, for half a minute at most.
func (h *harbour) until(what string, ok func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			h.t.Fatalf("waited in vain until %s\n%s", what, h.log)
		case <-tick.C:
		}
	}
}

func TestEveryDeviceGetsBatches(t *testing.T) {
	h := newHarbour(t, 3, "")
	b := h.load("half_plus_two")
	h.breaks("", false)
	refused := h.during(b, 32, func() {
		h.until("all three have run", func() bool { return h.rows("gpu:0") > 20 && h.rows("gpu:1") > 20 && h.rows("gpu:2") > 20 })
	})
	if refused > 0 {
		t.Errorf("%d requests failed", refused)
	}
	for i, u := range b.Devices() {
		if u.ID != h.gpus[i].ID || u.Device != h.gpus[i].String() || u.Instances != 2 || !u.InService || u.PinnedTo != fmt.Sprintf("/device:CPU:%d", i) || u.Ops == 0 || len(u.Elsewhere) > 0 {
			t.Errorf("%+v", u)
		}
	}
	if log := h.log.String(); strings.Count(log, "model placed") != 3 {
		t.Error(log)
	}
	if got := strings.Join(b.Report().Devices, " "); got != "gpu:0 gpu:1 gpu:2" || b.Report().Instances != 6 {
		t.Errorf("the report tells of %d instances on %s", b.Report().Instances, got)
	}
}

func TestInstanceGroups(t *testing.T) {
	h := newHarbour(t, 3, `model { name: "half_plus_two" instance_group { count: 3 gpus: [ 2 ] } instance_group { gpus: [ 0 ] } } model { name: "mlp" instance_group { gpus: [ 5 ] } }`)
	var got []string
	for _, u := range h.load("half_plus_two").Devices() {
		got = append(got, fmt.Sprintf("%v:%d", u.Device, u.Instances))
	}
	if list := strings.Join(got, " "); list != "gpu:2:3 gpu:0:2" {
		t.Error(list)
	}
	if _, err := h.tryLoad("mlp"); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "there is no gpu:5") {
		t.Errorf("a device that is not there: %v", err)
	}
	h.manager.SetReading(h.gpus[1].ID, devices.Reading{MemoryFree: devices.Known(10)})
	h.until("the reading is taken", func() bool { return h.fleet.Snapshot().Find(h.gpus[1].ID).Reading.MemoryFree.Or(0) == 10 })
	if _, err := h.tryLoad("slow"); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "gpu:1 (Fake GPU) has 10 B of 80.0 GiB free") {
		t.Errorf("too little memory: %v", err)
	}
}

// A device whose runs fail leaves, nobody notices, and it comes back when it can compute again.
func TestDeviceThatFailsRuns(t *testing.T) {
	h := newHarbour(t, 3, "")
	b, other := h.load("half_plus_two"), h.load("mlp")
	refused := h.during(b, 16, func() {
		h.breaks("gpu:1", true)
		h.until("gpu:1 is out of service", func() bool { return !b.Devices()[1].InService })
		h.until("it leaves the other model, too", func() bool { return !other.Devices()[1].InService })
		h.until("it was tried again in vain", func() bool { return strings.Contains(h.log.String(), "fails still") })
		if b.Devices()[1].InService || b.Ready() != nil {
			t.Error("it is back though it fails, or the version is not ready though two devices are there")
		}
		h.breaks("gpu:1", false)
		h.until("it takes batches again", func() bool { return h.rows("gpu:1") > 20 && b.Devices()[1].InService && other.Devices()[1].InService })
	})
	if refused > 0 {
		t.Errorf("%d requests failed", refused)
	}
	log := h.log.String()
	for _, line := range []string{"device is out of service", "CUDA_ERROR_LAUNCH_FAILED", "take requests again"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %q:\n%s", line, log)
		}
	}
}

// What the driver tells takes a device out of service, too: an Xid, or that it is lost.
func TestDeviceThatTheDriverGivesUp(t *testing.T) {
	h := newHarbour(t, 2, "")
	b := h.load("half_plus_two")
	refused := h.during(b, 8, func() {
		h.manager.Emit(devices.Event{ID: h.gpus[0].ID, Kind: devices.EventXid, Xid: 79})
		h.until("gpu:0 left", func() bool { return strings.Contains(h.log.String(), "Xid 79") })
		h.until("gpu:0 is back", func() bool {
			return strings.Contains(h.log.String(), "take requests again") && b.Devices()[0].InService
		})
		h.manager.Lose(h.gpus[1].ID)
		h.until("gpu:1 left", func() bool { return !b.Devices()[1].InService })
	})
	if refused > 0 {
		t.Errorf("%d requests failed", refused)
	}
	h.manager.Lose(h.gpus[0].ID)
	h.until("nobody is left", func() bool { return b.Ready() != nil })
	if err := halve(b, 1); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "every device of the model is out of service: gpu:0: ") {
		t.Errorf("%v", err)
	}
	if _, err := h.tryLoad("mlp"); status.Code(err) != codes.Unavailable {
		t.Errorf("loading with no device: %v", err)
	}
	h.manager.Return(h.gpus[0].ID)
	h.until("one is back", func() bool { return b.Ready() == nil })
	if err := halve(b, 1); err != nil {
		t.Error(err)
	}
	if only := h.load("mlp").Devices(); len(only) != 1 || only[0].ID != h.gpus[0].ID {
		t.Errorf("a model that is loaded while a device is lost is on %+v", only)
	}
}

// A version may be unloaded while its devices come and go.
func TestUnloadWhileDevicesComeAndGo(t *testing.T) {
	h := newHarbour(t, 2, "")
	for range 5 {
		b, err := h.tryLoad("half_plus_two")
		if err != nil {
			t.Fatal(err)
		}
		h.fleet.Fail(h.gpus[0].ID, status.Error(codes.Internal, "CUDA_ERROR_UNKNOWN"))
		h.until("it is tried", func() bool { _, ok := h.fleet.InService(h.gpus[0].ID); return ok })
		b.Close()
	}
}
