package tensorflow

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine/tensorflow/rewrite"
	"shoal/tensor"
)

// TestRewritingReport holds what is pruned, frozen, kept and folded of each model.
func TestRewritingReport(t *testing.T) {
	models := rewriteModels(t)
	for name, want := range map[string]struct {
		frozen, kept, dropped, folded int
		why                           string // of the kept ones, in their order by name
		note                          string
	}{
		"control":                 {frozen: 3, dropped: 1},
		"counter":                 {frozen: 1, kept: 2, why: "AssignVariableOp AssignVariableOp may write it|AssignAddVariableOp AssignAddVariableOp may write it"},
		"shared":                  {frozen: 4, kept: 1, why: "AssignVariableOp AssignVariableOp may write it"},
		"dtypes":                  {frozen: 8, kept: 1, why: "its element type is string"},
		"lookup":                  {frozen: 1, kept: 2, why: "AssignVariableOp Variable/Assign may write it|AssignVariableOp Variable_1/Assign may write it", note: "the restore does more than assign variables, and stays as it is"},
		"batching":                {frozen: 1},
		"lstm":                    {frozen: 11, dropped: 30},
		"transformer":             {frozen: 35, dropped: 70},
		"convnet":                 {frozen: 43, dropped: 86, folded: 5},
		"v1_ref":                  {frozen: 4, kept: 1, dropped: 8, why: "AssignAdd AssignAdd may write it"},
		"v1_resource":             {frozen: 4, kept: 1, dropped: 8, why: "AssignAddVariableOp AssignAddVariableOp may write it"},
		"v1_functions":            {frozen: 4, kept: 1, dropped: 8, why: "AssignAddVariableOp AssignAddVariableOp may write it"},
		"v1_partitioned_ref":      {kept: 3, why: "it is a part of a partitioned variable|it is a part of a partitioned variable|it is a part of a partitioned variable"},
		"v1_partitioned_resource": {kept: 3, why: "it is a part of a partitioned variable|it is a part of a partitioned variable|it is a part of a partitioned variable"},
		"v1_convnet":              {frozen: 10, folded: 2},
	} {
		r, err := Plan(models["rewrite/"+name+"/1"], Options{Freeze: rewrite.Always})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var why []string
		for _, v := range r.Variables {
			if v.Fate == rewrite.Kept {
				why = append(why, v.Why)
			}
		}
		if r.Frozen != want.frozen || r.Kept != want.kept || r.Dropped != want.dropped || r.Folded != want.folded ||
			strings.Join(why, "|") != want.why || strings.Join(r.Notes, "|") != want.note {
			t.Errorf("%s: %d frozen, %d kept, %d dropped, %d folded, notes %q, kept because %q", name, r.Frozen, r.Kept, r.Dropped, r.Folded, r.Notes, why)
		}
		if r.Nodes.After >= r.Nodes.Before || r.NoCheckpoint != (r.Kept == 0) {
			t.Errorf("%s: nodes %v, checkpoint unneeded: %v", name, r.Nodes, r.NoCheckpoint)
		}
	}
}

// TestAutoFreezesConvolutions within the budget, and nothing else.
func TestAutoFreezesConvolutions(t *testing.T) {
	models := rewriteModels(t)
	for _, c := range []struct {
		model  string
		budget int64
		frozen int
		why    string
	}{
		{"rewrite/convnet/1", 0, 43, ""},
		{"rewrite/convnet/1", 1000, 0, "the constants would exceed the budget"},
		{"rewrite/transformer/1", 0, 0, "the model has no convolutions, where it pays"},
	} {
		r, err := Plan(models[c.model], Options{FreezeBudget: c.budget})
		if err != nil || r.Frozen != c.frozen || r.NotFrozen != c.why {
			t.Errorf("%s within %d bytes: %+v, %v", c.model, c.budget, r, err)
		}
	}
}

func randomBatch(r runner, signature string, rows int64) *tensor.Batch {
	sig := r.model.Signatures[signature]
	b := &tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{randomInputs(sig, rows, rand.New(rand.NewPCG(1, 2)))}}
	for _, in := range b.Parts[0] {
		b.Shapes = append(b.Shapes, in.Shape)
	}
	return b
}

// traced lists what the model's serving_default executes for a random batch of two.
func traced(t *testing.T, dir string, o Options) []Executed {
	t.Helper()
	r := newRunner(t, dir, o)
	list, err := r.instance.Trace(randomBatch(r, "serving_default", 2))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func countOps(list []Executed, is func(op string) bool) (n int) {
	for _, e := range list {
		if is(e.Op) {
			n++
		}
	}
	return n
}

// TestProductsDoNotSeeConstants: oneDNN must not take the weights of matrix products for constants, or it lays them out again
// for every other batch size, in every run. That hangs on TensorFlow's optimisers leaving a placeholder with a default alone: a
// newer TensorFlow may fold it, and then this fails.
func TestProductsDoNotSeeConstants(t *testing.T) {
	r := newRunner(t, rewriteModels(t)["test/mlp/1"], Options{Freeze: rewrite.Always, keepGraphs: true})
	meta, err := r.instance.record(randomBatch(r, "serving_default", 2), &pb.RunOptions{OutputPartitionGraphs: true, InterOpThreadPool: -1})
	if err != nil {
		t.Fatal(err)
	}
	products, variables := 0, 0
	for _, g := range meta.PartitionGraphs {
		for _, n := range g.Node {
			if strings.HasSuffix(n.Op, "MatMul") {
				products++
				if n.Attr["is_filter_const"].GetB() {
					t.Errorf("%s %s takes its weights for a constant", n.Op, n.Name)
				}
			}
			if n.Op == "VarHandleOp" || n.Op == "ReadVariableOp" {
				variables++
			}
		}
	}
	if products != 4 || variables != 0 {
		t.Errorf("%d products and %d variables, want 4 and 0", products, variables)
	}
}

// TestFoldedBatchNormsAreGone: what is left of a batch norm runs only where it could not be folded, after the convolution with
// two readers and the dilated one.
func TestFoldedBatchNormsAreGone(t *testing.T) {
	dir := rewriteModels(t)["rewrite/convnet/1"]
	products := func(o Options) int {
		return countOps(traced(t, dir, o), func(op string) bool { return strings.HasSuffix(op, "Mul") && !strings.HasSuffix(op, "MatMul") })
	}
	asItIs, folded := products(Options{NoPrune: true}), products(Options{})
	if asItIs < 7 || folded > 2 {
		t.Errorf("%d multiplications as it is, %d folded; want at least 7, at most 2", asItIs, folded)
	}
	if n := countOps(traced(t, dir, Options{}), func(op string) bool { return op == "Rsqrt" }); n > 0 {
		t.Errorf("%d square roots are computed in every run", n)
	}
}

func TestPinnedModelRunsOnItsDevice(t *testing.T) {
	dir := rewriteModels(t)["rewrite/control/1"]
	config := &pb.ConfigProto{DeviceCount: map[string]int32{"CPU": 2}}
	for _, o := range []Options{{Device: "/device:CPU:1", Config: config}, {Device: "/device:CPU:1", Config: config, NoPrune: true}} {
		on := make(map[string]int)
		for _, e := range traced(t, dir, o) {
			on[e.Device[strings.LastIndex(e.Device, "/"):]]++
		}
		if on["/device:CPU:1"] == 0 || on["/device:CPU:1"] < 5*on["/device:CPU:0"] {
			t.Errorf("ops by device: %v", on)
		}
	}
	if _, err := Load(dir, Options{Device: "/device:GPU:7"}); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "CPU:0") {
		t.Errorf("a device that is not there: %v", err)
	}
}

// TestFallsBackToTheOriginal: what cannot be rewritten is loaded as it is, and leaves nothing behind.
func TestFallsBackToTheOriginal(t *testing.T) {
	original := rewriteModels(t)["rewrite/control/1"]
	for name, damage := range map[string]func(t *testing.T, dir string, o *Options){
		"no scratch directory": func(t *testing.T, dir string, o *Options) { o.ScratchDir = filepath.Join(dir, "nothing") },
		"in pieces": func(t *testing.T, dir string, o *Options) {
			os.WriteFile(filepath.Join(dir, "saved_model.cpb"), nil, 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			o := Options{ScratchDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
			scratch := o.ScratchDir
			damage(t, dir, &o)
			m, err := Load(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			if m.Rewriting != nil || m.FellBack == nil || !strings.Contains(log.String(), "could not be pruned") {
				t.Errorf("report %v, log %q", m.Rewriting, log.String())
			}
			if left, _ := os.ReadDir(scratch); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestAssetsStayUntilClose: a graph may read them in any run.
func TestAssetsStayUntilClose(t *testing.T) {
	models := rewriteModels(t)
	for name, want := range map[string][]string{"rewrite/lookup/1": {"assets", "variables"}, "rewrite/convnet/1": nil} {
		scratch := t.TempDir()
		m, err := Load(models[name], Options{ScratchDir: scratch})
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		files, _ := filepath.Glob(filepath.Join(scratch, "*", "*"))
		for _, f := range files {
			left = append(left, filepath.Base(f))
		}
		if !slices.Equal(left, want) {
			t.Errorf("%s: %v while loaded, want %v", name, left, want)
		}
		m.Close()
		if files, _ = filepath.Glob(filepath.Join(scratch, "*")); len(files) > 0 {
			t.Errorf("%s: %v after Close", name, files)
		}
	}
}

// TestLeftShadowsAreSwept: those of killed processes go when the next model is loaded, those in use stay.
func TestLeftShadowsAreSwept(t *testing.T) {
	dir := rewriteModels(t)["rewrite/lookup/1"]
	scratch := t.TempDir()
	m, err := Load(dir, Options{ScratchDir: scratch})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	used, _ := filepath.Glob(filepath.Join(scratch, "*"))
	left := filepath.Join(scratch, shadowPrefix+"left")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Hour)
	for _, d := range append(used, left) {
		if err := os.Chtimes(d, before, before); err != nil {
			t.Fatal(err)
		}
	}
	next, err := Load(rewriteModels(t)["rewrite/convnet/1"], Options{ScratchDir: scratch})
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
	if now, _ := filepath.Glob(filepath.Join(scratch, "*")); !slices.Equal(now, used) {
		t.Errorf("%v, want %v", now, used)
	}
}
