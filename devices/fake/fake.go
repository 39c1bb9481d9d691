// Package fake is a manager of GPUs that do what a test says.
package fake

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"shoal/devices"
)

// Manager has the GPUs that it was made with. Its methods, those of devices.Manager included, are safe for concurrent use, so
// that a test can play with devices while they are watched. It waits by timers only and suits testing/synctest.
type Manager struct {
	events chan devices.Event

	mu       sync.Mutex
	list     []*devices.Device
	state    map[string]state // by ID
	absent   string
	open     bool
	reopened int
}

// state is one device's: lost ones do not answer, and one that came back answers after Reopen only, as with NVML.
type state struct {
	reading    devices.Reading
	lost, back bool
}

// New makes a manager of these devices; GPUs makes some.
func New(list ...*devices.Device) *Manager {
	m := &Manager{list: list, state: make(map[string]state), events: make(chan devices.Event, 64)}
	for _, d := range list {
		m.state[d.ID] = state{reading: devices.Reading{
			Utilization: devices.Known(0.5), MemoryUsed: devices.Known(d.MemoryBytes / 4), MemoryFree: devices.Known(d.MemoryBytes / 4 * 3),
			Power: devices.Known(210), PowerLimit: devices.Known(400), Temperature: devices.Known(48), SMClock: devices.Known(1410),
		}}
	}
	return m
}

// GPUs makes n GPUs of 80 GiB with the UUIDs GPU-00000000-… and up. They may be changed before they are used.
func GPUs(n int) []*devices.Device {
	list := make([]*devices.Device, n)
	for i := range list {
		list[i] = &devices.Device{
			Kind: devices.GPU, Index: i, ID: fmt.Sprintf("GPU-%08d-0000-4000-8000-000000000000", i), Name: "Fake GPU", MemoryBytes: 80 << 30,
			GPU: &devices.GPUFacts{PCI: devices.PCI{Bus: uint32(0x10 + i)}, ComputeCapability: devices.Capability{Major: 9}, ComputeMode: devices.ModeDefault},
		}
	}
	return list
}

// Absent makes opening fail with this reason.
func (m *Manager) Absent(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.absent = reason
}

// Lose makes a device answer no more.
func (m *Manager) Lose(id string) { m.change(id, func(s *state) { s.lost, s.back = true, false }) }

// Return makes a lost device answer again, once the manager is reopened.
func (m *Manager) Return(id string) { m.change(id, func(s *state) { s.back = true }) }

// SetReading makes a device read so.
func (m *Manager) SetReading(id string, r devices.Reading) {
	m.change(id, func(s *state) { s.reading = r })
}

// Emit tells of an event.
func (m *Manager) Emit(e devices.Event) { m.events <- e }

// Reopened is how many times the manager was reopened.
func (m *Manager) Reopened() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reopened
}

func (m *Manager) change(id string, f func(*state)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state[id]
	f(&s)
	m.state[id] = s
}

// Open is devices.Manager's.
func (m *Manager) Open() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent != "" {
		return &devices.AbsentError{Reason: m.absent}
	}
	m.open = true
	return nil
}

// Driver is a made-up one.
func (m *Manager) Driver() devices.Driver { return devices.Driver{Version: "fake", CUDA: "12.4"} }

// GPUs lists the devices, whether lost or not.
func (m *Manager) GPUs() ([]*devices.Device, error) { return slices.Clone(m.list), nil }

// Read gives the reading that was set.
func (m *Manager) Read(id string) (devices.Reading, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, known := m.state[id]
	if !m.open || !known || s.lost {
		return devices.Reading{}, fmt.Errorf("%s: %w", id, devices.ErrLost)
	}
	return s.reading, nil
}

// Wait gives the next event.
func (m *Manager) Wait(timeout time.Duration) (devices.Event, bool, error) {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case e := <-m.events:
		return e, true, nil
	case <-t.C:
		return devices.Event{}, false, nil
	}
}

// Reopen lets returned devices answer.
func (m *Manager) Reopen() error {
	_ = m.Close()
	if err := m.Open(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reopened++
	for id, s := range m.state {
		if s.back {
			s.lost, s.back = false, false
			m.state[id] = s
		}
	}
	return nil
}

// Close is devices.Manager's.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = false
	return nil
}

var _ devices.Manager = (*Manager)(nil)
