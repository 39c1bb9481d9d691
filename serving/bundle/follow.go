package bundle

import (
	"log/slog"
	"sync"

	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/serving"
)

// follower keeps the batcher's idea of which devices are in service the fleet's. A device that returns is tried with a run of its
// own first: what the driver calls well may fail every run, and clients' requests are not the ones to find that out.
type follower struct {
	b     *Bundle
	fleet *devices.Fleet
	log   *slog.Logger
	stop  func() // being told

	mu     sync.Mutex // orders what the batcher is told; never held while a run is under way
	closed bool
	out    map[*member]bool
	trying map[*member]bool
	tries  sync.WaitGroup
}

// follow begins to listen. The batcher must be there.
func (b *Bundle) follow(fleet *devices.Fleet, log *slog.Logger) {
	if fleet == nil {
		return
	}
	f := &follower{b: b, fleet: fleet, log: log, out: make(map[*member]bool), trying: make(map[*member]bool)}
	b.follower = f
	f.stop = fleet.Subscribe(func(c devices.Change) {
		for _, m := range b.members {
			if m.ID == c.Device.ID {
				f.look(m)
			}
		}
	})
	for _, m := range b.members {
		f.look(m) // what happened before
	}
}

// close ends the tries. It may be called on nil.
func (f *follower) close() {
	if f == nil {
		return
	}
	f.stop()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.tries.Wait()
}

// look compares the fleet's state of a device with the batcher's. It goes by the state and not by what was told, so that two tellings
// that cross do no harm.
func (f *follower) look(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cause, ok := f.fleet.InService(m.ID)
	switch {
	case f.closed:
	case !ok:
		f.out[m] = true
		f.b.batcher.Withdraw(m.String(), cause)
	case f.out[m] && !f.trying[m]:
		f.trying[m] = true
		f.tries.Go(func() { f.try(m) })
	}
}

// try runs a made-up request on the device, on an instance of its own: those of the batcher may still be running. A model that
// refuses it has been reached all the same.
func (f *follower) try(m *member) {
	err := m.try(f.b)
	if f.b.engine.DeviceFault(err) {
		f.log.Warn("a device that was to return fails still", "device", m.String(), "error", status.Convert(err).Message())
		f.fleet.Fail(m.ID, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trying[m] = false
	if _, ok := f.fleet.InService(m.ID); ok && !f.closed {
		f.out[m] = false
		f.b.batcher.Restore(m.String())
		f.log.Info("the device's instances take requests again", "device", m.String())
	}
}

func (m *member) try(b *Bundle) error {
	sig := b.representative()
	if sig == nil {
		return nil // every signature changes the model's state
	}
	batch := madeUp(sig, 1)
	if batch == nil {
		return nil
	}
	in, err := m.model.NewInstance()
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := m.executor(in, b.wrap).Run(batch)
	r.Free()
	return err
}

// fault is batcher.Config.DeviceFault: it tells the fleet, and so every model on the device.
func (b *Bundle) fault(fleet *devices.Fleet) func(string, error) bool {
	if fleet == nil {
		return nil
	}
	return func(device string, err error) bool {
		if !b.engine.DeviceFault(err) {
			return false
		}
		for _, m := range b.members {
			if m.String() == device {
				fleet.Fail(m.ID, err)
			}
		}
		return true
	}
}

// Ready says why no request can be run, or returns nil: every device of the version is out of service. It implements
// serving.Readier.
func (b *Bundle) Ready() error { return b.batcher.Stranded() }

// Devices are those that the version is on. It implements serving.Placed.
func (b *Bundle) Devices() (list []serving.DeviceUse) {
	for _, m := range b.members {
		u := serving.DeviceUse{
			Device: m.String(), ID: m.ID, GPU: m.Kind == devices.GPU, Index: m.Index,
			Instances: len(m.instances), InService: b.batcher.InService(m.String()),
		}
		if m.pinned {
			u.PinnedTo, u.Ops, u.Elsewhere = m.TensorFlowName, m.placement.Ops, m.placement.Elsewhere
		}
		list = append(list, u)
	}
	return list
}
