package devices_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/devices/fake"
)

// sailing runs f with a fleet of n fake GPUs in fake time.
func sailing(t *testing.T, n int, spec, groups string, f func(*devices.Fleet, *fake.Manager, []*devices.Device)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		gpus := fake.GPUs(n)
		manager := fake.New(gpus...)
		inv := devices.Discover(devices.Options{Manager: manager, Environment: func(string) (string, bool) { return "", false }})
		selection, err := inv.Select(spec)
		if err != nil {
			t.Fatal(err)
		}
		g, err := devices.ParseGroups([]byte(groups))
		if err != nil {
			t.Fatal(err)
		}
		fleet := devices.NewFleet(manager, selection, g, devices.WatchOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- fleet.Run(ctx) }()
		synctest.Wait()
		f(fleet, manager, gpus)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFleetPlacesModels(t *testing.T) {
	const groups = `model { name: "two" instance_group { count: 2 gpus: [ 1 ] } } model { name: "words" instance_group { kind: KIND_CPU } }
		model { name: "wrong" instance_group { gpus: [ 7 ] } }`
	sailing(t, 2, "auto", groups, func(f *devices.Fleet, _ *fake.Manager, _ []*devices.Device) {
		for model, want := range map[string]string{
			"any": "gpu:0 /device:GPU:0 ×0, gpu:1 /device:GPU:1 ×0", "two": "gpu:1 /device:GPU:1 ×2", "words": "cpu:0 /device:CPU:0 ×0",
		} {
			placed, err := f.Place(model)
			var words []string
			for _, p := range placed {
				words = append(words, fmt.Sprintf("%v %s ×%d", p.Device, p.TensorFlowName, p.Count))
				if f.Alone(p.Device) {
					t.Errorf("%v is said to be alone", p.Device)
				}
			}
			if got := strings.Join(words, ", "); err != nil || got != want {
				t.Errorf("%s: %s, %v; want %s", model, got, err, want)
			}
		}
		if _, err := f.Place("wrong"); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "there is no gpu:7") {
			t.Errorf("%v", err)
		}
	})
	sailing(t, 0, "auto", "", func(f *devices.Fleet, _ *fake.Manager, _ []*devices.Device) {
		if placed, err := f.Place("any"); err != nil || len(placed) != 1 || !f.Alone(placed[0].Device) {
			t.Errorf("without a GPU: %v, %v", placed, err)
		}
	})
}

// TensorFlow keeps the memory of a model that was unloaded: the next one fits into that, though the driver calls it used.
func TestFleetKeepsAccountOfMemory(t *testing.T) {
	sailing(t, 1, "gpu", "", func(f *devices.Fleet, m *fake.Manager, gpus []*devices.Device) {
		free := func(gib int) {
			m.SetReading(gpus[0].ID, devices.Reading{MemoryFree: devices.Known(gib << 30)})
			time.Sleep(2 * time.Second) // fake time: the next reading
			synctest.Wait()
		}
		free(60)
		release, err := f.Reserve(gpus[0], 50<<30)
		if err != nil {
			t.Fatal(err)
		}
		free(10)
		if _, err := f.Reserve(gpus[0], 20<<30); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "10.0 GiB of 80.0 GiB free") {
			t.Errorf("%v", err)
		}
		release()
		release()
		again, err := f.Reserve(gpus[0], 55<<30)
		if err != nil {
			t.Errorf("50 GiB were given back, 10 are free: %v", err)
		}
		again()
		if _, err := f.Reserve(gpus[0], 81<<30); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "larger device") {
			t.Errorf("%v", err)
		}
	})
}

func TestFleetTellsOfLossAndReturn(t *testing.T) {
	sailing(t, 2, "gpu", "", func(f *devices.Fleet, m *fake.Manager, gpus []*devices.Device) {
		var told []string
		cancel := f.Subscribe(func(c devices.Change) {
			_, ok := f.InService(c.Device.ID)
			told = append(told, fmt.Sprintf("%v %s %v", c.Device, c.To, ok))
		})
		f.Fail(gpus[1].ID, status.Error(codes.Internal, "CUDA_ERROR_LAUNCH_FAILED"))
		if _, err := f.Reserve(gpus[1], 1); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "LAUNCH_FAILED") {
			t.Errorf("%v", err)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		m.Lose(gpus[0].ID)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		cancel()
		m.Return(gpus[0].ID)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if want := []string{"gpu:1 failed false", "gpu:1 in_service true", "gpu:0 lost false"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if _, ok := f.InService(gpus[0].ID); !ok {
			t.Error("gpu:0 did not return")
		}
	})
}
