package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"shoal/devices"
	"shoal/devices/fake"
)

func TestDevicesCommand(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"devices", "--json", "--devices=cpu", "--virtual_cpu_devices=2"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	var report struct {
		CPUs []struct {
			Name  string
			Cores float64
		}
		UsedAs   map[string]string `json:"used_as"`
		Readings map[string]struct {
			Free float64 `json:"memory_free_bytes"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v:\n%s", err, out.String())
	}
	if len(report.CPUs) != 2 || report.CPUs[0].Name == "" || report.CPUs[0].Cores <= 0 || report.UsedAs["cpu:1"] != "/device:CPU:1" || report.Readings["cpu:1"].Free <= 0 {
		t.Errorf("report %+v", report)
	}
	out.Reset()
	if code := run([]string{"devices", "--devices=cpu:7,tpu"}, &out, &errs); code != 2 {
		t.Errorf("exit %d for devices that are not there", code)
	}
	for _, line := range []string{"there is no cpu:7", `"tpu" names no device`} {
		if !strings.Contains(errs.String(), line) {
			t.Errorf("standard error is %q, want %q", errs.String(), line)
		}
	}
	if !strings.Contains(out.String(), "cpu:0") {
		t.Errorf("the devices are listed all the same, to choose from:\n%s", out.String())
	}
}

func TestDevicesTable(t *testing.T) {
	gpus := fake.GPUs(2)
	gpus[1].GPU.ComputeMode = devices.ModeProhibited
	manager := fake.New(gpus...)
	inv := devices.Discover(devices.Options{Manager: manager, Environment: func(string) (string, bool) { return "", false }})
	using, err := inv.Select("auto")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := newDeviceReport(inv, using, devices.Observe(manager, inv.All(), nil)).print(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	header := strings.Fields(lines[0])
	if strings.Contains(lines[0], "LINK") || header[0] != "DEVICE" {
		t.Errorf("header %q: columns without a value are left out", lines[0])
	}
	for i, words := range []string{
		"gpu:0 /device:GPU:0 Fake GPU 80.0 GiB 60.0 GiB 50% 9.0 0000:10:00.0 default 48 °C 210 W " + gpus[0].ID,
		"gpu:1 Fake GPU 80.0 GiB 9.0 0000:11:00.0 prohibited " + gpus[1].ID,
	} {
		if got := strings.Join(strings.Fields(lines[1+i]), " "); got != words {
			t.Errorf("line %q, want %q", got, words)
		}
	}
	if !strings.Contains(out.String(), "gpu:1 cannot be used: its compute mode is prohibited") {
		t.Errorf("the reason is missing:\n%s", out.String())
	}
}
