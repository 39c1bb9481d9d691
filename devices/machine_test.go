package devices_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"shoal/devices"
)

var record = flag.String("record", "", "write what this machine's NVML reports to a file")

// TestThisMachine asks the real library, where there is a GPU, and holds its answers to nvidia-smi's.
func TestThisMachine(t *testing.T) {
	manager := devices.NewNVML()
	inv := devices.Discover(devices.Options{Manager: manager})
	if len(inv.GPUs) == 0 {
		t.Skipf("no GPU: %s", inv.NoGPU)
	}
	defer func() {
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	}()
	out, err := exec.Command("nvidia-smi", "--query-gpu=uuid,name,compute_cap", "--format=csv,noheader").Output()
	if err != nil {
		t.Logf("nvidia-smi does not answer: %v", err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string][]string)
	for _, row := range rows {
		said[row[0]] = row
	}
	now := devices.Observe(manager, inv.GPUs, nil)
	for _, d := range inv.GPUs {
		if d.GPU.MIG == nil && len(rows) > 0 {
			row := said[d.ID]
			if len(row) != 3 || strings.TrimSpace(row[1]) != d.Name || strings.TrimSpace(row[2]) != d.GPU.ComputeCapability.String() {
				t.Errorf("%v is %s %s %v, and nvidia-smi says %q", d, d.ID, d.Name, d.GPU.ComputeCapability, row)
			}
		}
		if d.MemoryBytes == 0 || d.GPU.PCI == (devices.PCI{}) {
			t.Errorf("%+v", d)
		}
		s := now.Find(d.ID)
		if d.Unusable != "" {
			continue
		}
		free, ok := s.Reading.MemoryFree.Get()
		if s.State != devices.InService || !ok || free > float64(d.MemoryBytes) {
			t.Errorf("%v reads %+v", d, s.Reading)
		}
	}
	if _, _, err := manager.Wait(time.Millisecond); err != nil && !errors.Is(err, devices.ErrUnsupported) {
		t.Errorf("waiting for events: %v", err)
	}
	if *record != "" {
		text, err := json.MarshalIndent(map[string]any{"inventory": inv, "snapshot": now}, "", "  ")
		if err == nil {
			err = os.WriteFile(*record, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
