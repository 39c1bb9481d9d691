package devices

// Use is how a loaded model uses a device: for status pages and metrics.
type Use struct {
	Device     *Device
	Instances  int
	InService  bool
	TensorFlow string // the name that its ops are pinned to; "": TensorFlow sees no other device, and nothing is pinned

	// Where the ops of a run were found after loading; both are empty where nobody looked.
	Ops       int            // on the device
	Elsewhere map[string]int // those that fell back to another device, by op
}
