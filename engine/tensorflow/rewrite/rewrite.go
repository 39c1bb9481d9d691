// Package rewrite makes a SavedModel's graph smaller and faster before a session is made of it. It works on the protobufs
// alone and runs nothing:
//
//   - pruning drops the nodes and functions that no signature and no initialisation needs (savers, training), and restores
//     only the variables that are left;
//   - freezing turns variables that nothing writes into constants, so that TensorFlow's optimisers see the weights; batch
//     norms move into the convolutions before them;
//   - pinning places every node that has no device of its own.
//
// Signatures compute the same as before. A construct that is not understood is kept, and the report says why.
package rewrite

import (
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Mode says which variables become constants.
type Mode int

const (
	Auto   Mode = iota // those of convolutional models whose weights are within the budget: there it pays
	Always             // all that nothing writes, as far as a graph can hold them
	Never
)

// Limits on what is frozen, in bytes of values. TensorFlow copies a constant several times on its way to the first run: the
// peak of memory is up to 18 times the weights.
const (
	DefaultBudget = 64 << 20  // Auto's
	maxConstants  = 1 << 30   // Always's: a protobuf message ends at 2 GiB
	maxGathered   = 256 << 10 // a larger variable that is only gathered from (an embedding) gains nothing as a constant
)

// Options say what is done to a graph.
type Options struct {
	NoPrune bool  // keep every node and function, and so every variable: Freeze has no effect
	Freeze  Mode  // zero: Auto
	Budget  int64 // bytes of constants that Auto makes at most; 0: DefaultBudget
	// Constants has every weight become a plain constant, and the checkpoint dropped: for an engine that is not TensorFlow. Freeze
	// and Budget do not count then.
	Constants bool

	NoFold bool   // leave batch norms where they are: for sessions whose constants are not folded
	Device string // for nodes that name none, "/device:CPU:1"; empty: leave them

	Ops        map[string]*op_def_go_proto.OpDef // the registered ops, by name
	Checkpoint Checkpoint                        // nil: there is none, nothing is frozen
}

// Rewrite changes mg, whose graph must be complete, in place. On an error mg is half done and must not be used. The constants
// of Result have yet to be filled with their values.
func Rewrite(mg *pb.MetaGraphDef, o Options) (_ *Result, err error) {
	// A graph that breaks TensorFlow's rules (an op without its inputs) is the model's fault, and TensorFlow reports it.
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(codes.Internal, "rewriting the graph: %v", p)
		}
	}()
	start := time.Now()
	if o.Budget == 0 {
		o.Budget = DefaultBudget
	}
	if mg.GetGraphDef() == nil {
		return nil, status.Error(codes.InvalidArgument, "the meta graph has no graph")
	}
	r := newRewriter(mg, o)
	r.report.Nodes.Before, r.report.Functions.Before = r.count()
	if !o.NoPrune {
		r.prune()
		mg.ObjectGraphDef = nil // only Python's loader reads it
	}
	if o.Device != "" {
		r.report.Pinned = pin(mg.GraphDef, o.Device)
	}
	r.report.Nodes.After, r.report.Functions.After = r.count()
	r.report.ConstantBytes = r.constantBytes()
	r.report.Took = time.Since(start)
	return &Result{Report: &r.report, Constants: r.constants}, nil
}

// rewriter is the state of one rewriting.
type rewriter struct {
	mg        *pb.MetaGraphDef
	opt       Options
	main      *graph
	functions map[string]*function_go_proto.FunctionDef

	variables  []*variable
	byNode     map[string]*variable // by the name of a main graph's node that makes the handle or reference
	signatures []string             // tensors of signatures
	roots      []string             // what must stay computable: the signatures', what initialises, what assets are fed to

	summaries map[string][]argument // of functions, by name; nil while one is being made
	clones    map[string]string     // specialised functions by function and arguments
	origin    map[string]string     // clone → the function it was made of
	inFlow    bool                  // the function being cloned is run by a branch or a loop, and not part of the caller's graph
	constants []Constant
	report    Report
}

func newRewriter(mg *pb.MetaGraphDef, o Options) *rewriter {
	if mg.GraphDef.Library == nil {
		mg.GraphDef.Library = new(function_go_proto.FunctionDefLibrary)
	}
	r := &rewriter{mg: mg, opt: o, main: newGraph(nil, mg.GraphDef.Node),
		functions: make(map[string]*function_go_proto.FunctionDef), byNode: make(map[string]*variable),
		summaries: make(map[string][]argument), clones: make(map[string]string), origin: make(map[string]string)}
	for _, f := range mg.GraphDef.Library.Function {
		r.functions[f.Signature.Name] = f
	}
	r.signatures = signatureTensors(mg)
	r.roots = append(append(append(r.roots, r.signatures...), initOps(mg)...), assetTensors(mg)...)
	return r
}

// prune does all pruning and freezing. Each step needs the results of the one before.
func (r *rewriter) prune() {
	r.findVariables()
	r.findUses()
	restored, plain := r.followRestore()
	r.choose(restored)
	r.freeze()
	r.trimRestore(restored, plain)
	r.dropUnneeded()
	r.restoreNames()
	r.reportVariables()
}

func (r *rewriter) count() (nodes, functions int) {
	nodes = len(r.mg.GraphDef.Node)
	for _, f := range r.mg.GraphDef.Library.Function {
		nodes += len(f.NodeDef)
	}
	return nodes, len(r.mg.GraphDef.Library.Function)
}
