package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/configs"
	"shoal/devices"
	"shoal/engine/tensorflow"
)

// instancesOfGPU is how many instances of a model a GPU has where nobody says: while one computes, the other's inputs are gathered
// and copied.
const instancesOfGPU = 2

// newFleet finds the devices, selects those of --devices, and prepares the process for them. CUDA reads its environment when
// TensorFlow first makes a session, and so this comes before all that loads anything.
func newFleet(cfg *configs.Server, files *configFiles, manager devices.Manager, log *slog.Logger) (*devices.Fleet, error) {
	inv := devices.Discover(devices.Options{Manager: manager, VirtualCPUs: cfg.Devices.VirtualCPUs})
	inv.Log(log)
	selection, err := selectDevices(inv, cfg)
	if err == nil {
		err = selection.Prepare()
	}
	if err == nil && len(selection.GPUs()) > 0 {
		selection, err = confirmGPUs(inv, selection, cfg, files, log)
	}
	if err != nil {
		_ = manager.Close() // there is a better error to tell
		return nil, err
	}
	fleet := devices.NewFleet(manager, selection, files.groups, devices.WatchOptions{Logger: log})
	fleet.Log(log)
	return fleet, nil
}

// selectDevices reads --devices; the fault names the flag.
func selectDevices(inv *devices.Inventory, cfg *configs.Server) (*devices.Selection, error) {
	selection, err := inv.Select(cfg.Devices.Use)
	if err != nil {
		return nil, fmt.Errorf("--devices=%s: %w", cfg.Devices.Use, err)
	}
	return selection, nil
}

// confirmGPUs asks TensorFlow whether it has the GPUs that were selected: its library may be the CPU build, or not find CUDA's. Where
// nobody asked for GPUs the CPU takes their place.
func confirmGPUs(inv *devices.Inventory, s *devices.Selection, cfg *configs.Server, files *configFiles, log *slog.Logger) (*devices.Selection, error) {
	// As in all later sessions: how memory is taken, and how many threads there are, the first one decides.
	names, err := tensorflow.Devices(tensorflow.SessionConfig(files.Session, cfg.Devices.VirtualCPUs))
	if err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(s.Targets), func(t devices.Target) bool {
		return t.Kind != devices.GPU || slices.Contains(names, t.TensorFlowName)
	})
	if len(missing) == 0 {
		return s, nil
	}
	why := fmt.Sprintf("TensorFlow does not have %d of the GPUs, %v among them: its library is the build for CPUs, or it does not find those of "+
		"CUDA (TF_CPP_MIN_LOG_LEVEL=0 shows which); it has %s", len(missing), missing[0].Device, strings.Join(names, ", "))
	if cfg.Devices.Use != "auto" {
		return nil, status.Errorf(codes.FailedPrecondition, "--devices=%s: %s", cfg.Devices.Use, why)
	}
	log.Warn("the GPUs are not used, the models run on the CPU", slog.String("why", why))
	if s, err = inv.Select("cpu"); err != nil {
		return nil, err
	}
	return s, s.Prepare()
}

// watchDevices takes readings until ctx ends.
func (a *app) watchDevices(ctx context.Context) {
	if err := a.fleet.Run(ctx); err != nil {
		a.log.Warn("the NVIDIA library does not close", slog.Any("error", err))
	}
}

// checkDevices lists what --devices and --instance_groups_file ask for and this machine does not have.
func checkDevices(cfg *configs.Server, files *configFiles, manager devices.Manager) (faults configs.Faults) {
	inv := devices.Discover(devices.Options{Manager: manager, VirtualCPUs: cfg.Devices.VirtualCPUs})
	defer manager.Close()
	selection, err := selectDevices(inv, cfg)
	if err != nil {
		return configs.Faults{err.Error()}
	}
	if err := files.groups.Validate(selection); err != nil {
		for _, fault := range err.(*devices.Error).Faults {
			faults = append(faults, cfg.Devices.GroupsFile+": "+fault)
		}
	}
	return faults
}
