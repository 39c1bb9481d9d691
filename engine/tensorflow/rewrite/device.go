package rewrite

import (
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
)

// pin places every node that names no device, or any GPU, and returns how many. A node that asks for a CPU stays on CPU 0.
func pin(gd *graph_go_proto.GraphDef, device string) (pinned int) {
	gpu := strings.Contains(strings.ToUpper(device), "GPU:")
	place := func(nodes []*node) {
		for _, n := range nodes {
			onGPU := strings.HasSuffix(n.Device, "GPU:*") || strings.HasSuffix(strings.ToLower(n.Device), "gpu:0")
			if n.Device == "" || gpu && onGPU {
				n.Device = device
				pinned++
			}
		}
	}
	place(gd.Node)
	for _, f := range gd.Library.GetFunction() {
		place(f.NodeDef)
	}
	return pinned
}
