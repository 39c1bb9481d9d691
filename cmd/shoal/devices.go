package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"shoal/devices"
)

// listDevices prints the devices that this process sees and which of them a server with the same flags and environment would use.
func listDevices(args []string, stdout, stderr io.Writer) (err error) {
	fs, asJSON, spec, virtual := deviceFlags()
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprintf(stdout, "usage: shoal devices [flags]\n\n%s", fs.FlagUsages()) }
	if err := fs.Parse(args); err != nil {
		return usageOrHelp(err)
	}
	if fs.NArg() > 0 {
		return usageError(fmt.Errorf("%q: devices takes flags only", fs.Arg(0)))
	}
	manager := devices.NewNVML()
	inv := devices.Discover(devices.Options{Manager: manager, VirtualCPUs: *virtual})
	defer func() {
		if errClose := manager.Close(); err == nil {
			err = errClose
		}
	}()
	using, err := inv.Select(*spec)
	if err != nil {
		err = usageError(fmt.Errorf("--devices=%s: %w", *spec, err))
	}
	report := newDeviceReport(inv, using, devices.Observe(manager, inv.All(), nil))
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return firstError(e.Encode(report), err)
	}
	return firstError(report.print(stdout), err)
}

func deviceFlags() (fs *pflag.FlagSet, asJSON *bool, spec *string, virtual *int) {
	fs = pflag.NewFlagSet("devices", pflag.ContinueOnError)
	asJSON = fs.Bool("json", false, "print JSON")
	spec = fs.String("devices", "auto", "what serve would be given: auto, cpu, gpu, or a list such as gpu:0,2 or UUIDs")
	virtual = fs.Int("virtual_cpu_devices", 0, "show the CPU as this many devices")
	return fs, asJSON, spec, virtual
}

// firstError prefers the failure to print, which leaves everything else unseen.
func firstError(printing, other error) error {
	if printing != nil {
		return printing
	}
	return other
}

// deviceReport is what shoal devices --json prints.
type deviceReport struct {
	*devices.Inventory
	UsedAs   map[string]string          `json:"used_as"` // TensorFlow's names of the devices that serve would use, by ID; null where --devices is wrong
	Readings map[string]devices.Reading `json:"readings"`
}

func newDeviceReport(inv *devices.Inventory, using *devices.Selection, now *devices.Snapshot) *deviceReport {
	r := &deviceReport{Inventory: inv, Readings: make(map[string]devices.Reading)}
	if using != nil {
		r.UsedAs = make(map[string]string)
		for _, t := range using.Targets {
			r.UsedAs[t.ID] = t.TensorFlowName
		}
	}
	for _, s := range now.Devices {
		r.Readings[s.Device.ID] = s.Reading
	}
	return r
}

// print writes a table, and in words what a table cannot say.
func (r *deviceReport) print(w io.Writer) error {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	columns := r.columns()
	for i := range len(columns[0].cells) + 1 {
		var line []string
		for _, c := range columns {
			switch {
			case strings.Join(c.cells, "") == "":
			case i == 0:
				line = append(line, c.title)
			default:
				line = append(line, c.cells[i-1])
			}
		}
		fmt.Fprintln(tw, strings.Join(line, "\t"))
	}
	_ = tw.Flush() // to memory
	if r.NoGPU != "" {
		fmt.Fprintf(&text, "\nno GPU: %s\n", r.NoGPU)
	}
	for _, d := range r.All() {
		if d.Unusable != "" {
			fmt.Fprintf(&text, "%v cannot be used: %s\n", d, d.Unusable)
		}
	}
	for _, h := range r.Hidden {
		fmt.Fprintf(&text, "hidden: %s (%s): %s\n", h.Device.ID, h.Device.Name, h.Why)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&text, "note: %s\n", note)
	}
	if r.Driver.Version != "" {
		fmt.Fprintf(&text, "driver %s, NVML %s, CUDA up to %s\n", r.Driver.Version, r.Driver.NVML, r.Driver.CUDA)
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// column is one of the table, left out where all its cells are empty.
type column struct {
	title string
	cells []string
}

func (r *deviceReport) columns() []column {
	titles := []string{"DEVICE", "USED AS", "NAME", "CORES", "MEMORY", "FREE", "BUSY", "CAPABILITY", "NUMA", "PCI", "LINK", "MODE", "TEMP", "POWER", "THROTTLED", "ID"}
	columns := make([]column, len(titles))
	for i, title := range titles {
		columns[i].title = title
	}
	for _, d := range r.All() {
		for i, cell := range r.row(d) {
			columns[i].cells = append(columns[i].cells, cell)
		}
	}
	return columns
}

// row is a device's cells, in the order of the titles.
func (r *deviceReport) row(d *devices.Device) []string {
	now := r.Readings[d.ID]
	cores, id := fmt.Sprintf("%.4g", d.Cores), ""
	capability, pci, link, mode := "", "", "", ""
	if g := d.GPU; g != nil {
		cores, id = "", d.ID
		capability, pci, mode = g.ComputeCapability.String(), g.PCI.String(), string(g.ComputeMode)
		if g.PCIeGeneration > 0 {
			link = fmt.Sprintf("gen%d x%d", g.PCIeGeneration, g.PCIeWidth)
		}
	}
	return []string{
		d.String(), r.UsedAs[d.ID], d.Name, cores, devices.Bytes(d.MemoryBytes),
		shown(now.MemoryFree, func(n float64) string { return devices.Bytes(uint64(n)) }),
		shown(now.Utilization, func(n float64) string { return fmt.Sprintf("%.0f%%", n*100) }),
		capability, strings.Trim(fmt.Sprint(d.NUMANodes), "[]"), pci, link, mode,
		shown(now.Temperature, func(n float64) string { return fmt.Sprintf("%.0f °C", n) }),
		shown(now.Power, func(n float64) string { return fmt.Sprintf("%.0f W", n) }),
		throttled(now.Throttle), id,
	}
}

// shown is a cell's text, empty for what is unknown.
func shown(v devices.Value, format func(float64) string) string {
	if n, known := v.Get(); known {
		return format(n)
	}
	return ""
}

func throttled(t devices.Throttle) string {
	if !t.Slowed() {
		return ""
	}
	return t.String()
}
