package bundle

import (
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/devices"
	"shoal/engine"
	"shoal/tensor"
)

// member is the version on one device: the model, loaded there, and its instances.
type member struct {
	devices.Target
	count     int  // of instances
	pinned    bool // false: the engine sees no other device
	model     engine.Model
	instances []engine.Instance
	placement engine.Placement
	release   func() // of the memory that was reserved
}

// instance is a batcher.Placed.
type instance struct {
	engine.Instance
	device string
	gpu    bool
}

// Device is the device as users name it, "gpu:0".
func (x *instance) Device() string { return x.device }

// Unlimited implements batcher.Placed: while a GPU computes, the thread that waits for it takes no core.
func (x *instance) Unlimited() bool { return x.gpu }

// placements are the devices of the model that can be used now. Those out of service are left out as long as there are others.
func (l *loader) placements(log *slog.Logger) ([]devices.Placement, error) {
	if l.Devices == nil {
		return []devices.Placement{{Target: devices.Target{Device: &devices.Device{Kind: devices.CPU, ID: "cpu:0"}}}}, nil
	}
	all, err := l.Devices.Place(l.model)
	if err != nil {
		return nil, err
	}
	var usable []devices.Placement
	for _, p := range all {
		if cause, ok := l.Devices.InService(p.ID); ok {
			usable = append(usable, p)
		} else {
			log.Warn("the version is loaded without a device that is out of service", "device", p.String(), "cause", cause)
		}
	}
	if len(usable) == 0 {
		return all[:1], nil // Reserve says why
	}
	return usable, nil
}

// count is how many instances a placement has.
func (l *loader) count(p devices.Placement) int {
	switch {
	case p.Count > 0:
		return p.Count
	case p.Kind == devices.GPU:
		return max(l.GPUInstances, 1)
	}
	return max(l.Instances, 1)
}

// openMembers loads the model on each of its devices. All of them answer to the first one's signatures. On an error nothing stays open.
func (l *loader) openMembers(log *slog.Logger) (members []*member, err error) {
	places, err := l.placements(log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			closeMembers(members)
			members = nil
		}
	}()
	for _, p := range places {
		m := &member{Target: p.Target, count: l.count(p), release: func() {}}
		if l.Devices != nil {
			m.pinned = !l.Devices.Alone(p.Device)
			if m.release, err = l.Devices.Reserve(p.Device, l.Engine.Bytes(l.dir)); err != nil {
				return members, err
			}
		}
		o := engine.Options{AsItIs: l.asItIs != nil, Logger: log}
		if m.pinned {
			o.Device = p.TensorFlowName
		}
		if len(members) > 0 {
			o.Signatures = members[0].model.Describe().Signatures
		}
		members = append(members, m)
		if m.model, err = l.Engine.Load(l.dir, o); err != nil {
			return members, onDevice(m, len(places), err)
		}
	}
	return members, nil
}

// makeInstances makes every member's, and lists them all.
func makeInstances(members []*member, mode EngineMode) (all []engine.Instance, err error) {
	for _, m := range members {
		for range m.count {
			in, err := m.model.NewInstance()
			if err != nil {
				return nil, err
			}
			if mode != OneEngine {
				in = withChoice(in, m.Kind)
			}
			m.instances = append(m.instances, in)
		}
		all = append(all, m.instances...)
	}
	return all, nil
}

// onDevice says on which of several devices something failed.
func onDevice(m *member, of int, err error) error {
	if of == 1 {
		return err
	}
	return status.Errorf(status.Code(err), "on %v: %s", m.Device, status.Convert(err).Message())
}

// closeMembers frees everything. Nothing may run any more.
func closeMembers(members []*member) {
	for _, m := range members {
		for _, in := range m.instances {
			in.Close()
		}
		if m.model != nil {
			m.model.Close()
		}
		m.release()
	}
}

// executor is one instance as the batcher knows it.
func (m *member) executor(in engine.Instance, wrap func(batcher.Placed) batcher.Placed) batcher.Placed {
	var x batcher.Placed = &instance{in, m.String(), m.Kind == devices.GPU}
	if wrap != nil {
		x = wrap(x)
	}
	return x
}

// executors are the instances of all devices by turns, those of the first device last: where several are idle the batcher takes
// the last, so that few batches at once go to as many devices.
func executors(members []*member, wrap func(batcher.Placed) batcher.Placed) (list []batcher.Executor) {
	for i, more := 0, true; more; i++ {
		more = false
		for _, m := range members {
			if i < len(m.instances) {
				list = append(list, m.executor(m.instances[i], wrap))
				more = true
			}
		}
	}
	slices.Reverse(list)
	return list
}

// verify runs a signature where the model is pinned, and takes down where its ops ran. It fails where the device fails; a model that
// refuses made-up inputs is not looked at.
func (m *member) verify(e engine.Engine, sig *tensor.Signature, log *slog.Logger) error {
	if !m.pinned {
		return nil
	}
	b := madeUp(sig, 1)
	if b == nil {
		return nil
	}
	p, known, err := engine.PlacementOf(m.instances[0], b)
	switch {
	case !known:
		return nil
	case e.DeviceFault(err):
		return status.Errorf(codes.Unavailable, "%v fails: %s", m.Device, status.Convert(err).Message())
	case err != nil:
		log.Debug("where the ops run is not known: the model refuses made-up inputs", "device", m.String(), "error", err)
		return nil
	}
	m.placement = p
	attrs := []any{"device", m.String(), "tensorflow", m.TensorFlowName, "ops", p.Ops}
	switch {
	case p.Ops == 0:
		log.Warn("no op of the model runs on the device it was placed on", append(attrs, "elsewhere", tally(p.Elsewhere))...)
	case len(p.Elsewhere) > 0:
		log.Info("model placed; some ops have no kernel for the device and run elsewhere", append(attrs, "elsewhere", tally(p.Elsewhere))...)
	default:
		log.Info("model placed", attrs...)
	}
	return nil
}

// tally prints counts: LookupTableFindV2:2 StringJoin:1.
func tally(counts map[string]int) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, name+":"+strconv.Itoa(counts[name]))
	}
	return strings.Join(list, " ")
}
