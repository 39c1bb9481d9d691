package configs

// DeviceOptions says which devices the models run on.
type DeviceOptions struct {
	Use           string // auto, cpu, gpu, or a list of devices
	VirtualCPUs   int    // number of devices that TensorFlow shows the CPU as; 0: one
	CPUScheduling string // batch or normal
	GroupsFile    string // text proto InstanceGroups: where each model's instances are
}

// maxVirtualCPUs is more than anybody needs: each is a session and a set of variables for every model.
const maxVirtualCPUs = 64

// deviceFlags say where models run.
var deviceFlags = []Flag{
	{Name: "devices", Group: groupDevices, Own: true,
		Help: "devices to use: auto (the GPUs that can be used, else the CPU), cpu, gpu (all), or a list: gpu:0,2, UUIDs, PCI addresses; `shoal devices` lists them",
		bind: func(s *Server) value { return text(&s.Devices.Use, "LIST") }},
	{Name: "instance_groups_file", Group: groupDevices, Own: true,
		Help: "instances of each model and the devices they are on, in Triton's words: text proto of model { name instance_group { count kind gpus devices } }",
		bind: func(s *Server) value { return text(&s.Devices.GroupsFile, "FILE") }},
	{Name: "virtual_cpu_devices", Group: groupDevices, Own: true,
		Help: "for tests: split the CPU into this many TensorFlow devices, each with a copy of every model; 0: one device",
		bind: func(s *Server) value { return number(&s.Devices.VirtualCPUs) }},
	{Name: "cpu_scheduling", Group: groupDevices, Own: true,
		Help: "how Linux schedules the server's threads: batch (a waking thread does not interrupt a computing one: more throughput) or normal",
		bind: func(s *Server) value { return text(&s.Devices.CPUScheduling, "WORD") }},
}

// validateDevices does not check --devices, because the devices are not known here.
func (s *Server) validateDevices(faults *Faults) {
	if n := s.Devices.VirtualCPUs; n < 0 || n > maxVirtualCPUs {
		faults.Addf("--virtual_cpu_devices: %d must be 0 to %d", n, maxVirtualCPUs)
	}
	if w := s.Devices.CPUScheduling; w != "batch" && w != "normal" {
		faults.Addf("--cpu_scheduling: %q is neither batch nor normal", w)
	}
}
