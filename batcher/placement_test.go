package batcher

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

var errDead = status.Error(codes.Internal, "CUDA error: launch: CUDA_ERROR_LAUNCH_FAILED")

// fleet is instances on fake devices, each as fast as its device and failing with it.
type fleet struct {
	*fake
	takes map[string]time.Duration
	dead  map[string]bool
	ran   map[string]int // rows that each device has answered

	atOnce, most int
}

type onDevice struct {
	fakeInstance
	fleet  *fleet
	device string
}

func (x *onDevice) Device() string  { return x.device }
func (x *onDevice) Unlimited() bool { return x.device != "cpu" }

func (f *fleet) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atOnce += n
	f.most = max(f.most, f.atOnce)
}

func (x *onDevice) Run(b *tensor.Batch) (*tensor.Result, error) {
	x.fleet.count(1)
	time.Sleep(x.fleet.takes[x.device])
	x.fleet.count(-1)
	if x.fleet.dead[x.device] {
		return nil, errDead
	}
	x.fleet.mu.Lock()
	x.fleet.ran[x.device] += b.Rows
	x.fleet.mu.Unlock()
	return x.fakeInstance.Run(b)
}

// placed runs a test on one instance for each of the devices, in fake time.
func placed(t *testing.T, cfg Config, limit *Limiter, devices []string, test func(*rig, *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{fake: newFake(t), takes: make(map[string]time.Duration), dead: make(map[string]bool), ran: make(map[string]int)}
		var execs []Executor
		for i, d := range devices {
			execs = append(execs, &onDevice{fakeInstance{fake: f.fake, index: i}, f, d})
			f.takes[d] = 10 * ms
		}
		cfg.DeviceFault = func(device string, err error) bool { return strings.Contains(err.Error(), "CUDA_ERROR") }
		b, err := New(cfg, execs, limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Batcher: b, t: t, fake: f.fake}
		test(r, f)
		r.wg.Wait()
		b.Close()
		if n := f.unfreed.Load(); n != 0 {
			t.Errorf("%d results were not freed", n)
		}
		if s := b.Stats(); s.Entries != 0 || s.Rows != 0 || s.Busy != 0 {
			t.Errorf("something is left: %+v", s)
		}
	})
}

// All devices take from one queue: an idle one at once, a slow one less, and the oldest first.
func TestDevicesShareTheQueue(t *testing.T) {
	placed(t, Config{MaxBatchSize: 2}, nil, []string{"fast", "slow"}, func(r *rig, f *fleet) {
		f.takes["slow"] = 40 * ms
		for i := range int64(100) {
			r.send(column(i))
		}
		r.wg.Wait()
		if f.ran["slow"] == 0 || f.ran["fast"] < 3*f.ran["slow"] || f.ran["fast"]+f.ran["slow"] != 100 {
			t.Errorf("rows by device: %v", f.ran)
		}
		last := map[int]int64{} // by instance
		for _, ran := range f.runs {
			if ran.values[0] < last[ran.instance] || !slices.IsSorted(ran.values) {
				t.Errorf("%v ran on instance %d after %d", ran.values, ran.instance, last[ran.instance])
			}
			last[ran.instance] = ran.values[0]
		}
	})
}

// The batch of a device that fails is answered by another one, before what came later; the device takes none until it is restored.
func TestFailedDeviceLeavesAndItsBatchIsRunElsewhere(t *testing.T) {
	placed(t, Config{MaxBatchSize: 4}, nil, []string{"a", "b", "b"}, func(r *rig, f *fleet) {
		f.dead["b"] = true
		var calls []*call
		var checks []func()
		for i := range int64(40) {
			e := column(i)
			checks = append(checks, withArena(t, e))
			calls = append(calls, r.send(e))
		}
		r.wg.Wait()
		for i, c := range calls {
			if c.err != nil {
				t.Errorf("%d: %v", i, c.err)
			}
		}
		synctest.Wait()
		if s := r.Stats(); s.InService != 1 || s.Instances != 3 || s.Busy != 0 || f.ran["b"] != 0 || f.ran["a"] != 40 {
			t.Errorf("%+v, rows %v", s, f.ran)
		}
		for i := 1; i < 3; i++ { // the two batches that failed come right after what ran meanwhile
			if first := f.runs[i].values[0]; first > 6 {
				t.Errorf("run %d is of %v", i, f.runs[i].values)
			}
		}
		r.send(column(1))
		r.wg.Wait()
		f.dead["b"] = false
		r.Restore("b")
		for i := range int64(40) {
			r.send(column(i))
		}
		r.wg.Wait()
		if s := r.Stats(); s.InService != 3 || f.ran["b"] == 0 {
			t.Errorf("after the return: %+v, rows %v", s, f.ran)
		}
		r.Close()
		for _, check := range checks {
			check()
		}
	})
}

// When no device is left, everybody is told at once, those who wait too; and it goes on when one is back.
func TestNoDeviceLeft(t *testing.T) {
	placed(t, Config{MaxBatchSize: 2}, nil, []string{"a", "b"}, func(r *rig, f *fleet) {
		f.dead["a"], f.dead["b"] = true, true
		f.takes["b"] = 15 * ms
		var calls []*call
		var checks []func()
		for i := range int64(20) {
			e := column(i, i) // none fits beside another
			checks = append(checks, withArena(t, e))
			calls = append(calls, r.send(e))
		}
		r.wg.Wait()
		for i, c := range calls {
			if status.Code(c.err) != codes.Unavailable && status.Code(c.err) != codes.Internal || c.took > 25*ms {
				t.Errorf("%d: %v after %v", i, c.err, c.took)
			}
		}
		c := r.send(column(1))
		if !errors.Is(c.err, ErrNoDevice) || status.Code(c.err) != codes.Unavailable || c.took != 0 || !strings.Contains(c.err.Error(), "a: CUDA error") {
			t.Errorf("%v after %v", c.err, c.took)
		}
		if r.Stranded() == nil {
			t.Error("nobody is stranded")
		}
		f.dead["a"] = false
		r.Restore("a")
		if c := r.send(column(1)); r.Stranded() != nil {
			t.Error(r.Stranded())
		} else if r.wg.Wait(); c.err != nil {
			t.Error(c.err)
		}
		r.Close()
		for _, check := range checks {
			check()
		}
	})
}

// A batch that fails two devices may be what kills them: the third is spared.
func TestBatchThatKillsDevicesIsNotPassedOnForEver(t *testing.T) {
	placed(t, Config{}, nil, []string{"a", "b", "c"}, func(r *rig, f *fleet) {
		f.dead["a"], f.dead["b"], f.dead["c"] = true, true, true
		c := r.send(column(13))
		r.wg.Wait()
		if s := r.Stats(); s.InService != 1 || !errors.Is(c.err, errDead) {
			t.Errorf("%+v, %v", s, c.err)
		}
	})
}

// A device may leave and return at any moment: while its instance runs, while it was woken, while a batch waits for its time.
func TestWithdrawAtAnyMoment(t *testing.T) {
	placed(t, Config{MaxBatchSize: 2, BatchTimeout: 5 * ms}, nil, []string{"a", "b"}, func(r *rig, f *fleet) {
		r.send(column(1))
		r.Withdraw("a", "maintenance")
		r.Withdraw("b", "maintenance") // the entry waits for its timeout, and now for nobody
		r.wg.Wait()
		r.Restore("b")
		var calls []*call
		for i := range int64(30) {
			calls = append(calls, r.send(column(i, i)))
			switch i % 5 {
			case 1:
				r.Withdraw("b", "maintenance")
				r.Restore("a")
			case 3:
				r.Restore("b")
				r.Withdraw("a", "maintenance")
			}
			time.Sleep(3 * ms)
		}
		r.wg.Wait()
		for i, c := range calls {
			if c.err != nil && !errors.Is(c.err, ErrNoDevice) {
				t.Errorf("%d: %v", i, c.err)
			}
		}
		if calls[29].err != nil {
			t.Error(calls[29].err)
		}
	})
}

// A divided entry loses a piece with its device, and gets it from another one.
func TestPieceIsRunElsewhere(t *testing.T) {
	placed(t, Config{MaxBatchSize: 8}, nil, []string{"a", "b"}, func(r *rig, f *fleet) {
		f.dead["b"] = true
		e := column(numbers(0, 100)...)
		check := withArena(t, e)
		c := r.send(e)
		r.wg.Wait()
		if c.err != nil || f.ran["a"] != 100 {
			t.Errorf("%v, rows %v", c.err, f.ran)
		}
		r.Close()
		check()
	})
}

// The limiter counts runs that take a core; a run on a device of its own takes none.
func TestLimiterLeavesDevicesAlone(t *testing.T) {
	placed(t, Config{MaxBatchSize: 1}, NewLimiter(1, nil), []string{"cpu", "cpu", "gpu"}, func(r *rig, f *fleet) {
		for i := range int64(30) {
			r.send(column(i))
		}
		r.wg.Wait()
		if f.most != 2 || f.ran["gpu"] == 0 || f.ran["cpu"] == 0 {
			t.Errorf("%d runs at once, rows %v", f.most, f.ran)
		}
	})
}
