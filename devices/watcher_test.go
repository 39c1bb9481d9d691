package devices_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/devices/fake"
)

// watch is a watcher of fake GPUs, running in a bubble of fake time.
type watch struct {
	*devices.Watcher
	manager *fake.Manager
	gpus    []*devices.Device
	log     bytes.Buffer
	start   time.Time

	mu      sync.Mutex
	changes []string // since the last call of after
}

// watching runs f with n GPUs and a CPU watched, in fake time.
func watching(t *testing.T, n int, f func(w *watch)) {
	synctest.Test(t, func(t *testing.T) {
		w := &watch{gpus: fake.GPUs(n), start: time.Now()}
		w.manager = fake.New(w.gpus...)
		root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: 4 kB\nMemAvailable: 1 kB\n")}}
		inv := devices.Discover(devices.Options{Manager: w.manager, Root: root, Environment: func(string) (string, bool) { return "", false }})
		w.Watcher = devices.NewWatcher(w.manager, inv.All(), devices.WatchOptions{
			Root: root, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
			OnChange: func(c devices.Change) {
				if s := w.Snapshot().Find(c.Device.ID); s.State != c.To {
					t.Errorf("told of %s while the snapshot says %s", c.To, s.State)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				w.changes = append(w.changes, fmt.Sprintf("%v %s at %v: %s", c.Device, c.To, time.Since(w.start), c.Cause))
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		synctest.Wait()
		f(w)
		cancel()
		<-done
	})
}

// after lets fake time pass and gives the changes that it brought.
func (w *watch) after(d time.Duration) string {
	time.Sleep(d) // fake time
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	told := strings.Join(w.changes, "\n")
	w.changes = nil
	return told
}

func (w *watch) state(i int) devices.State { return w.Snapshot().Find(w.gpus[i].ID).State }

func TestReadingsEverySecond(t *testing.T) {
	watching(t, 2, func(w *watch) {
		first := w.Snapshot()
		if len(first.Devices) != 3 || !first.Taken.Equal(w.start) {
			t.Fatalf("first snapshot %+v", first)
		}
		if cpu := first.Find("cpu:0"); cpu == nil || cpu.Reading.MemoryFree.Or(0) != 1024 {
			t.Errorf("CPU %+v", cpu)
		}
		w.manager.SetReading(w.gpus[1].ID, devices.Reading{Utilization: devices.Known(0.9)})
		if w.after(999 * time.Millisecond); w.Snapshot() != first {
			t.Error("a second has not passed, and there is another snapshot")
		}
		w.after(2 * time.Millisecond)
		now := w.Snapshot()
		if !now.Taken.Equal(w.start.Add(time.Second)) || now.Find(w.gpus[1].ID).Reading.Utilization.Or(0) != 0.9 {
			t.Errorf("after a second: %+v", now)
		}
		if first.Find(w.gpus[1].ID).Reading.Utilization.Or(0) != 0.5 {
			t.Error("an old snapshot has changed")
		}
	})
}

func TestLossAndReturn(t *testing.T) {
	watching(t, 2, func(w *watch) {
		w.manager.Lose(w.gpus[0].ID)
		if got, want := w.after(1500*time.Millisecond), "gpu:0 lost at 1s: GPU-00000000-0000-4000-8000-000000000000: the GPU is lost"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		if w.state(0) != devices.Lost || w.state(1) != devices.InService || w.manager.Reopened() != 0 {
			t.Errorf("states %s, %s; reopened %d times", w.state(0), w.state(1), w.manager.Reopened())
		}
		// Tried again 10 s after the loss, and 20 s after that.
		if w.after(10 * time.Second); w.manager.Reopened() != 1 || w.state(0) != devices.Lost {
			t.Errorf("after the first try: %s, reopened %d times", w.state(0), w.manager.Reopened())
		}
		w.manager.Return(w.gpus[0].ID)
		if got := w.after(19 * time.Second); got != "" {
			t.Errorf("told %q before the next try", got)
		}
		if got := w.after(2 * time.Second); !strings.HasPrefix(got, "gpu:0 in_service at 31s") {
			t.Errorf("told %q", got)
		}
		if s := w.Snapshot().Find(w.gpus[0].ID); s.Losses != 1 || s.Reading.Power.Or(0) != 210 || s.Cause != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestEventsTakeDevicesOut(t *testing.T) {
	watching(t, 2, func(w *watch) {
		w.manager.Emit(devices.Event{ID: w.gpus[1].ID, Kind: devices.EventXid, Xid: 31, GPUInstance: -1})
		if got := w.after(time.Millisecond); got != "" {
			t.Errorf("a program's fault takes a GPU out: %q", got)
		}
		w.manager.Emit(devices.Event{ID: w.gpus[1].ID, Kind: devices.EventXid, Xid: 48, GPUInstance: -1})
		if got, want := w.after(time.Millisecond), "gpu:1 failed at 1ms: the driver reports Xid 48"; got != want {
			t.Errorf("told %q, want %q: at once, not at the next reading", got, want)
		}
		if s := w.Snapshot().Find(w.gpus[1].ID); s.Xids != 2 || s.LastXid != 48 {
			t.Errorf("status %+v", s)
		}
		if got := w.after(15 * time.Second); !strings.HasPrefix(got, "gpu:1 in_service at 11s") {
			t.Errorf("told %q", got)
		}
		w.manager.Emit(devices.Event{Kind: devices.EventECCUncorrected, GPUInstance: -1}) // the driver cannot tell whose
		if got := w.after(time.Millisecond); strings.Count(got, "failed") != 2 {
			t.Errorf("told %q", got)
		}
		if n := strings.Count(w.log.String(), "level=ERROR"); n != 3 {
			t.Errorf("%d errors logged, want 3:\n%s", n, w.log.String())
		}
	})
}

func TestFailedRuns(t *testing.T) {
	watching(t, 1, func(w *watch) {
		id := w.gpus[0].ID
		for _, pause := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
			w.Fail(id, errors.New("CUDA_ERROR_ILLEGAL_INSTRUCTION"))
			if w.state(0) != devices.Failed {
				t.Fatal("a failed device is in service")
			}
			w.Fail(id, errors.New("again")) // out of service already
			failedAt := time.Now()
			for w.state(0) != devices.InService {
				w.after(time.Second)
			}
			if got := time.Since(failedAt); got < pause*time.Second || got > (pause+2)*time.Second {
				t.Errorf("tried again after %v, want %v", got, pause*time.Second)
			}
		}
		// After five good minutes its failures are forgotten.
		w.after(5 * time.Minute)
		w.Fail(id, errors.New("once more"))
		w.after(12 * time.Second)
		if s := w.Snapshot().Find(id); s.State != devices.InService || s.Losses != 8 {
			t.Errorf("status %+v", s)
		}
		w.Fail("unknown", errors.New("x"))
	})
}

// A failed device that does not answer when tried again is lost, and its driver is reopened.
func TestFailureThenLoss(t *testing.T) {
	watching(t, 1, func(w *watch) {
		id := w.gpus[0].ID
		w.Fail(id, errors.New("x"))
		w.manager.Lose(id)
		w.after(12 * time.Second)
		if w.state(0) != devices.Lost {
			t.Errorf("state %s", w.state(0))
		}
		w.manager.Return(id)
		w.after(12 * time.Second)
		if w.state(0) != devices.InService || w.Snapshot().Find(id).Losses != 1 {
			t.Errorf("status %+v", w.Snapshot().Find(id))
		}
	})
}

// While the driver itself is gone every GPU is lost; the CPU serves on, and the GPUs come back with the driver.
func TestDriverGone(t *testing.T) {
	watching(t, 2, func(w *watch) {
		_ = w.manager.Close()
		w.manager.Absent("the driver is not loaded")
		w.after(15 * time.Second)
		if w.state(0) != devices.Lost || w.state(1) != devices.Lost || w.Snapshot().Find("cpu:0").State != devices.InService {
			t.Errorf("snapshot %+v", w.Snapshot())
		}
		w.manager.Absent("")
		w.after(30 * time.Second)
		if w.state(0) != devices.InService || w.state(1) != devices.InService {
			t.Errorf("snapshot %+v", w.Snapshot())
		}
	})
}

func TestWatchingWithoutGPUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		manager := devices.Null{Reason: "none"}
		inv := devices.Discover(devices.Options{Manager: manager, VirtualCPUs: 2})
		w := devices.NewWatcher(manager, inv.All(), devices.WatchOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		time.Sleep(2500 * time.Millisecond) // fake time
		if s := w.Snapshot(); len(s.Devices) != 2 || time.Since(s.Taken) != 500*time.Millisecond {
			t.Errorf("snapshot %+v", s)
		}
		cancel()
		<-done
		if time.Since(w.Snapshot().Taken) != 500*time.Millisecond {
			t.Error("Run did not end at once")
		}
	})
}

func TestAdmit(t *testing.T) {
	gpus := fake.GPUs(3)
	gpus[1].Unusable = "its compute mode is prohibited"
	manager := fake.New(gpus...)
	if err := manager.Open(); err != nil {
		t.Fatal(err)
	}
	w := devices.NewWatcher(manager, gpus, devices.WatchOptions{})
	w.Fail(gpus[2].ID, errors.New("CUDA_ERROR_UNKNOWN"))
	now := devices.Observe(manager, gpus, nil)
	for name, c := range map[string]struct {
		snapshot *devices.Snapshot
		device   *devices.Device
		need     uint64
		code     codes.Code
		words    []string
	}{
		"fits":           {now, gpus[0], 60 << 30, codes.OK, nil},
		"too little":     {now, gpus[0], 60<<30 + 1, codes.ResourceExhausted, []string{"gpu:0 (Fake GPU) has 60.0 GiB of 80.0 GiB free"}},
		"never fits":     {now, gpus[0], 81 << 30, codes.ResourceExhausted, []string{"has 80.0 GiB of memory", "needs 81.0 GiB"}},
		"prohibited":     {now, gpus[1], 0, codes.FailedPrecondition, []string{"prohibited"}},
		"out of service": {w.Snapshot(), gpus[2], 0, codes.Unavailable, []string{"CUDA_ERROR_UNKNOWN", "tried again"}},
		"not read yet":   {w.Snapshot(), gpus[0], 79 << 30, codes.OK, nil},
	} {
		err := c.snapshot.Admit(c.device, c.need)
		if status.Code(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
		if slices.ContainsFunc(c.words, func(word string) bool { return !strings.Contains(fmt.Sprint(err), word) }) {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}
