package web

import (
	"testing"

	"shoal/batcher"
	"shoal/devices"
	"shoal/devices/fake"
	"shoal/serving"
)

// Devices makes half a servable that is on a GPU.
func (h *half) Devices() []serving.DeviceUse {
	gpu := fake.GPUs(1)[0]
	return []serving.DeviceUse{{Device: gpu.String(), ID: gpu.ID, GPU: true, Instances: 2, InService: true, PinnedTo: "/device:GPU:0", Ops: 3, Elsewhere: map[string]int{"StringJoin": 2, "Cast": 1}}}
}

func TestDevicesTellWhatIsOnThem(t *testing.T) {
	gpus := fake.GPUs(2)
	core := &fakeCore{
		models: []serving.ModelStatus{{Name: "m", Configured: true, Versions: []serving.VersionStatus{{Version: 3, State: serving.Available}}}},
		loaded: map[key]*half{{"m", 3}: newHalf(t, batcher.NoObserver{})},
	}
	p := newPage(core, Options{Devices: fixed{devices.Observe(fake.New(gpus...), gpus, nil)}})
	s := p.state(p.models())
	if len(s.Devices) != 2 || len(s.Devices[1].Uses) != 0 || len(s.Devices[0].Uses) != 1 {
		t.Fatalf("%+v", s.Devices)
	}
	if got, want := s.Devices[0].Uses[0], (useState{"m", 3, 2, 3, "Cast, StringJoin ×2"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
