package main

import (
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"shoal/configs"
	"shoal/serving"
	"shoal/tensor"
)

const (
	// leastInflight is what requests get even where there seems to be no memory left.
	leastInflight = 64 << 20
	// goBase is what Go's heap has besides requests: the ballast, and as much again for all the rest.
	goBase = 2 * ballastSize
)

// memory shares out what the container or the machine has. Models and TensorFlow take what they need; half of the rest is for
// requests, and the other half for what they cause: inputs gathered and outputs in TensorFlow's memory, garbage, and the kernel's
// buffers of sockets.
type memory struct {
	available int64 // 0: not known, and so nothing is bounded that is not given
	given     int64 // --max_inflight_bytes; 0: chosen
	leaveGo   bool  // the environment says how large Go's heap may get
	budget    *tensor.Budget
}

func newMemory(cfg *configs.Server) *memory {
	m := &memory{available: availableMemory(), given: cfg.REST.MaxInflightBytes, leaveGo: os.Getenv("GOMEMLIMIT") != ""}
	if m.given > 0 || m.available > 0 {
		m.budget = tensor.NewBudget(max(m.given, 1))
		m.share()
	}
	return m
}

// availableMemory is what the container has, or else the machine; 0 where neither can be told.
func availableMemory() int64 {
	available, err := memlimit.FromCgroup()
	if machine, failed := memlimit.FromSystem(); failed == nil && (err != nil || available == 0 || machine < available) {
		available, err = machine, nil
	}
	if err != nil || available > math.MaxInt64 {
		return 0
	}
	return int64(available)
}

// share sets the budget and Go's limit for what is loaded now.
func (m *memory) share() {
	limit := m.given
	if limit == 0 {
		limit = max((m.available-foreignMemory())/2, leastInflight)
		m.budget.SetLimit(limit)
	}
	if !m.leaveGo {
		debug.SetMemoryLimit(limit + limit/4 + goBase)
	}
}

// foreignMemory is what the process has besides Go's heap: models, and TensorFlow itself.
func foreignMemory() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 {
		return 0
	}
	resident, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	heap := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(heap)
	goes := int64(heap[0].Value.Uint64()-heap[1].Value.Uint64()) - ballastSize // which is never touched
	return max(resident*int64(os.Getpagesize())-max(goes, 0), 0)
}

// follow shares anew whenever a model has been loaded or unloaded.
func (m *memory) follow(h serving.Hooks) serving.Hooks {
	if m.budget == nil {
		return h
	}
	told := h.StateChanged
	h.StateChanged = func(model string, version int64, from, to serving.State, err error) {
		if told != nil {
			told(model, version, from, to, err)
		}
		if to == serving.Available || from == serving.Unloading {
			m.share()
		}
	}
	return h
}
