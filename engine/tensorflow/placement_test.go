package tensorflow

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/tensor"
)

// TestPlacement: every op runs on the device.
func TestPlacement(t *testing.T) {
	models := rewriteModels(t)
	config := &pb.ConfigProto{DeviceCount: map[string]int32{"CPU": 3}}
	for device, model := range map[string]string{"/device:CPU:0": "test/mlp/1", "/device:CPU:1": "rewrite/convnet/1", "/device:CPU:2": "test/mlp/1"} {
		r := newRunner(t, models[model], Options{Device: device, Config: config})
		p, err := r.instance.Placement(randomBatch(r, "serving_default", 2))
		if err != nil || p.Ops < 4 || len(p.Elsewhere) > 0 {
			t.Errorf("%s on %s: %+v, %v", model, device, p, err)
		}
	}
}

func TestDevices(t *testing.T) {
	names, err := Devices(&pb.ConfigProto{DeviceCount: map[string]int32{"CPU": 2}})
	if err != nil || !slices.Contains(names, "/device:CPU:0") || !slices.Contains(names, "/device:CPU:1") || slices.Contains(names, "/device:CPU:2") {
		t.Errorf("%q, %v", names, err)
	}
}

// TestPlacementTellsWhatFellBack: XLA's device, which has no kernels for strings and tables, stands in for a GPU. TensorFlow reads
// the flag that makes this device when it starts: the test runs in a process of its own.
func TestPlacementTellsWhatFellBack(t *testing.T) {
	const flag = "--tf_xla_enable_xla_devices"
	dir := rewriteModels(t)["rewrite/lookup/1"]
	if os.Getenv("TF_XLA_FLAGS") != flag {
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), "TF_XLA_FLAGS="+flag)
		if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	r := newRunner(t, dir, Options{Device: "/device:XLA_CPU:0"})
	p, err := r.instance.Placement(randomBatch(r, "serving_default", 2))
	if err != nil || p.Ops == 0 || p.Elsewhere["LookupTableFindV2"] != 2 || p.Elsewhere["StringJoin"] != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestInstancesAnswerForAnotherDevice: a batch of one model's signature runs on the copy on another device, with the same outputs.
func TestInstancesAnswerForAnotherDevice(t *testing.T) {
	dir := rewriteModels(t)["test/mlp/1"]
	config := &pb.ConfigProto{DeviceCount: map[string]int32{"CPU": 2}}
	first := newRunner(t, dir, Options{Device: "/device:CPU:0", Config: config})
	second := newRunner(t, dir, Options{Device: "/device:CPU:1", Config: config, Signatures: first.model.Signatures})
	in, err := second.model.NewInstance()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b := randomBatch(first, "serving_default", 3)
	var outputs [][]float32
	for _, run := range []func(*tensor.Batch) (*tensor.Result, error){first.instance.Run, in.Run} {
		res, err := run(b)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, values(res.Outputs[0]))
		res.Free()
	}
	if !slices.Equal(outputs[0], outputs[1]) {
		t.Errorf("%v on the first device, %v on the second", outputs[0], outputs[1])
	}
}
