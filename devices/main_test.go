package devices

import (
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxh100"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is go-nvml's mock of a machine with H100s, with what the mock lacks and this package asks for.
type box struct {
	*server.Server
	lost   map[int]bool        // by NVML index
	events chan nvml.EventData // what the event set tells; a timeout comes at once where it is empty
	sets   []*mock.EventSet
	inits  int
}

// newBox makes a machine of n GPUs. NVML's index i is on bus 0xN0-i, so that NVML's order is not that of the PCI bus.
func newBox(n int) *box {
	b := &box{Server: dgxh100.NewWithGPUs(gpus.Multiple(n, gpus.H100_SXM5_80GB)...), lost: map[int]bool{}, events: make(chan nvml.EventData, 8)}
	b.InitFunc = func() nvml.Return { b.inits++; return nvml.SUCCESS }
	for i := range n {
		b.dress(i)
	}
	b.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) {
		b.sets = append(b.sets, &mock.EventSet{
			FreeFunc: func() nvml.Return { return nvml.SUCCESS },
			WaitFunc: func(uint32) (nvml.EventData, nvml.Return) {
				select {
				case e := <-b.events:
					return e, nvml.SUCCESS
				default:
					return nvml.EventData{}, nvml.ERROR_TIMEOUT
				}
			},
		})
		return b.sets[len(b.sets)-1], nvml.SUCCESS
	}
	return b
}

func (b *box) gpu(i int) *server.Device { return b.Devices[i].(*server.Device) }

// busOf is the bus that dress puts GPU i on.
func busOf(i, n int) uint32 { return uint32(0x10 + n - i) }

func (b *box) dress(i int) {
	d := b.gpu(i)
	d.UUID = fmt.Sprintf("GPU-%d0000000-aaaa-4bbb-8ccc-dddddddddddd", i)
	alive := func() nvml.Return {
		if b.lost[i] {
			return nvml.ERROR_GPU_IS_LOST
		}
		return nvml.SUCCESS
	}
	d.GetPciInfoFunc = func() (nvml.PciInfo, nvml.Return) {
		return nvml.PciInfo{Bus: busOf(i, len(b.Devices))}, nvml.SUCCESS
	}
	d.GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) {
		return nvml.Memory{Total: 80 << 30, Free: 60 << 30, Used: 20 << 30}, alive()
	}
	d.GetComputeModeFunc = func() (nvml.ComputeMode, nvml.Return) { return nvml.COMPUTEMODE_DEFAULT, nvml.SUCCESS }
	d.GetMaxPcieLinkGenerationFunc = func() (int, nvml.Return) { return 5, nvml.SUCCESS }
	d.GetMaxPcieLinkWidthFunc = func() (int, nvml.Return) { return 16, nvml.SUCCESS }
	d.GetCurrPcieLinkGenerationFunc = func() (int, nvml.Return) { return 1, nvml.SUCCESS }
	d.GetCurrPcieLinkWidthFunc = func() (int, nvml.Return) { return 8, nvml.SUCCESS }
	d.GetUtilizationRatesFunc = func() (nvml.Utilization, nvml.Return) {
		return nvml.Utilization{Gpu: 73, Memory: 31}, alive()
	}
	d.GetTotalEccErrorsFunc = func(kind nvml.MemoryErrorType, _ nvml.EccCounterType) (uint64, nvml.Return) {
		if kind == nvml.MEMORY_ERROR_TYPE_UNCORRECTED {
			return 0, nvml.SUCCESS
		}
		return 12, nvml.SUCCESS
	}
	d.GetPowerUsageFunc = func() (uint32, nvml.Return) { return 412500, nvml.SUCCESS }
	d.GetEnforcedPowerLimitFunc = func() (uint32, nvml.Return) { return 700000, nvml.SUCCESS }
	d.GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	d.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 64, nvml.SUCCESS }
	d.GetClockInfoFunc = func(kind nvml.ClockType) (uint32, nvml.Return) {
		return map[nvml.ClockType]uint32{nvml.CLOCK_SM: 1830, nvml.CLOCK_MEM: 2619}[kind], nvml.SUCCESS
	}
	d.GetCurrentClocksEventReasonsFunc = func() (uint64, nvml.Return) {
		return nvml.ClocksEventReasonSwPowerCap | nvml.ClocksThrottleReasonHwThermalSlowdown, nvml.SUCCESS
	}
	d.GetSupportedEventTypesFunc = func() (uint64, nvml.Return) {
		return nvml.EventTypeXidCriticalError | nvml.EventTypeDoubleBitEccError | nvml.EventTypeClock, nvml.SUCCESS
	}
	d.RegisterEventsFunc = func(mask uint64, _ nvml.EventSet) nvml.Return {
		if mask&nvml.EventTypeClock != 0 {
			return nvml.ERROR_INVALID_ARGUMENT // not asked for
		}
		return alive()
	}
}

// divide puts GPU i into MIG mode with instances of these GPU instance IDs; NVML's numbers of them have a gap before each.
func (b *box) divide(i int, instances ...int) {
	d := b.gpu(i)
	d.MigMode = nvml.DEVICE_MIG_ENABLE
	d.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	d.GetMigDeviceHandleByIndexFunc = func(n int) (nvml.Device, nvml.Return) {
		at := slices.Index(migIndices(len(instances)), n)
		if at < 0 {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return &mock.Device{
			GetUUIDFunc: func() (string, nvml.Return) {
				return fmt.Sprintf("MIG-%d%d000000-eeee-5fff-8000-111111111111", i, instances[at]), nvml.SUCCESS
			},
			GetNameFunc:              func() (string, nvml.Return) { return d.Config.Name + " MIG 1g.10gb", nvml.SUCCESS },
			GetGpuInstanceIdFunc:     func() (int, nvml.Return) { return instances[at], nvml.SUCCESS },
			GetComputeInstanceIdFunc: func() (int, nvml.Return) { return 0, nvml.SUCCESS },
			GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) {
				return nvml.Memory{Total: 10 << 30, Free: 9 << 30, Used: 1 << 30}, nvml.SUCCESS
			},
		}, nvml.SUCCESS
	}
}

func migIndices(n int) (list []int) {
	for i := range n {
		list = append(list, 2*i+1)
	}
	return list
}

// sysfs has the NUMA node and processors of bus 0x12.
var sysfs = fstest.MapFS{
	"sys/bus/pci/devices/0000:12:00.0/numa_node":     {Data: []byte("1\n")},
	"sys/bus/pci/devices/0000:12:00.0/local_cpulist": {Data: []byte("32-63,96-127\n")},
}

// environ makes an Environment of "NAME=value" words.
func environ(vars map[string]string) Environment {
	return func(name string) (string, bool) {
		v, set := vars[name]
		return v, set
	}
}

// discover looks at a box through NVML; the manager is closed with the test.
func discover(t *testing.T, b *box, vars map[string]string) (*Inventory, *NVML) {
	t.Helper()
	m := newNVML(b, sysfs)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return Discover(Options{Manager: m, Environment: environ(vars), Root: machine}), m
}

func ids(list []*Device) (out []string) {
	for _, d := range list {
		out = append(out, d.ID)
	}
	return out
}
