package tensorflow

/*
#include <stdlib.h>
#include "tensorflow/c/c_api.h"
*/
import "C"

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/engine"
	"shoal/engine/tensorflow/rewrite"
	"shoal/tensor"
)

// Options say how a SavedModel is loaded.
type Options struct {
	Tags   []string        // of the meta graph; empty: serve
	Config *pb.ConfigProto // of the session; nil: TensorFlow's defaults

	// The graph is rewritten before the session is made of it (package rewrite). Where that fails the model is loaded as it is.
	NoPrune      bool         // keep what no signature needs; nothing is frozen either
	Freeze       rewrite.Mode // which variables become constants; zero: those of convolutional models within the budget
	FreezeBudget int64        // bytes; 0: rewrite.DefaultBudget
	Device       string       // for the ops that name none, "/device:CPU:1"; empty: TensorFlow chooses
	// Signatures are those that batches come with, for the same model on another device; nil: the model's own.
	Signatures map[string]*tensor.Signature
	ScratchDir string       // where rewritten graphs lie while they are loaded; empty: the system's temporary directory
	Logger     *slog.Logger // nil: nothing is logged

	only       string // the one signature that is kept, all of whose weights become constants; "": all of them
	keepGraphs bool   // a run can be asked for the graph that it executes; for tests
}

func (o Options) withDefaults() Options {
	if len(o.Tags) == 0 {
		o.Tags = []string{"serve"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Model is a loaded SavedModel: one TensorFlow session, whose variables all instances share. It is an engine.Model.
type Model struct {
	engine.Description
	// Rewriting says what was pruned and frozen; nil where the model was loaded as it is.
	Rewriting *rewrite.Report
	// FellBack is the reason why the model is loaded unmodified, although the options ask for rewriting; nil: there is none.
	FellBack error

	dir       string
	scratch   string // Options.ScratchDir
	tags      []string
	device    string // Options.Device
	asItIs    bool   // Options.NoPrune
	imprecise bool
	oneThread bool                         // a run computes in the caller's thread alone
	answers   map[string]*tensor.Signature // Options.Signatures
	shadow    *shadow
	session   *C.TF_Session
	graph     *C.TF_Graph
}

// Load makes a session of the SavedModel in dir, rewritten as the options say. Its errors are gRPC status errors. Ops that are
// not TensorFlow's own are loaded where SearchOps says.
func Load(dir string, o Options) (*Model, error) {
	o = o.withDefaults()
	if err := checkSource(dir, o.Tags); err != nil {
		return nil, err
	}
	for had := ""; ; {
		m, err := loadOnce(dir, o)
		op := missingOp(err)
		if op == "" {
			if err == nil {
				m.dir, m.tags, m.scratch = dir, o.Tags, o.ScratchDir
			}
			return m, err
		}
		ok, why := op != had, ""
		if ok {
			ok, why = loadOps(op)
		}
		if !ok {
			return nil, opError(err, op, why)
		}
		had = op
	}
}

func loadOnce(dir string, o Options) (*Model, error) {
	if o.NoPrune && o.Device == "" {
		return loadFrom(dir, o)
	}
	m, err := loadRewritten(dir, o)
	if err == nil {
		return m, nil
	}
	var failure error
	if o.Device == "" {
		m, failure = loadFrom(dir, o)
	} else {
		// The model must be on this device, so another one is not used instead.
		pinned := o
		pinned.NoPrune = true
		m, failure = loadRewritten(dir, pinned)
	}
	if failure != nil {
		return nil, failure // the model itself is to blame
	}
	o.Logger.Warn("the model could not be pruned and frozen", "dir", dir, "error", err)
	m.FellBack = err
	return m, nil
}

// loadFrom makes a session of the SavedModel in dir, without rewriting.
func loadFrom(dir string, o Options) (*Model, error) {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	opts := C.TF_NewSessionOptions()
	defer C.TF_DeleteSessionOptions(opts)
	if o.Config != nil {
		raw, err := proto.Marshal(o.Config)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "session config: %v", err)
		}
		if len(raw) > 0 {
			C.TF_SetConfig(opts, unsafe.Pointer(&raw[0]), C.size_t(len(raw)), st)
			if err := statusError(st); err != nil {
				return nil, err
			}
		}
	}
	cdir := C.CString(dir)
	defer C.free(unsafe.Pointer(cdir))
	ctags := (**C.char)(C.calloc(C.size_t(len(o.Tags)), C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(ctags))
	for i, tag := range o.Tags {
		c := C.CString(tag)
		defer C.free(unsafe.Pointer(c))
		unsafe.Slice(ctags, len(o.Tags))[i] = c
	}
	graph := C.TF_NewGraph()
	metaBuf := C.TF_NewBuffer()
	defer C.TF_DeleteBuffer(metaBuf)
	session := C.TF_LoadSessionFromSavedModel(opts, nil, cdir, ctags, C.int(len(o.Tags)), graph, metaBuf, st)
	if err := statusError(st); err != nil {
		C.TF_DeleteGraph(graph)
		// TensorFlow's error has neither the existing tags nor the flag that selects one.
		if _, reason := ReadMetaGraph(dir, o.Tags); reason != nil && strings.Contains(err.Error(), "supplied tags") {
			return nil, reason
		}
		return nil, err
	}
	m := &Model{session: session, graph: graph, device: o.Device, asItIs: o.NoPrune, answers: o.Signatures, imprecise: imprecise(o.Config)}
	m.oneThread = o.Config.GetIntraOpParallelismThreads() == 1 && !m.onGPU()
	meta, err := parseMetaGraph(unsafe.Slice((*byte)(metaBuf.data), int(metaBuf.length)))
	if err == nil {
		err = checkVariables(dir, meta)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	m.Description = Describe(meta)
	addDefaults(meta, m.Signatures, o.Logger)
	return m, nil
}

// checkVariables rejects a model whose variables/ directory is missing. TensorFlow would load it without an error, and every run
// would fail.
func checkVariables(dir string, meta *pb.MetaGraphDef) error {
	if meta.GetSaverDef().GetRestoreOpName() == "" {
		return nil
	}
	index := filepath.Join(dir, "variables", "variables.index")
	if _, err := os.Stat(index); err != nil && !restoresNothing(meta) {
		return status.Errorf(codes.FailedPrecondition, "the model has variables but %s cannot be read: %v", index, err)
	}
	return nil
}

// restoresNothing reports whether a model has no variables. Such a model has a saver all the same; it is recognised by what
// Python writes for it.
func restoresNothing(meta *pb.MetaGraphDef) bool {
	return !slices.ContainsFunc(meta.GetMetaInfoDef().GetStrippedOpList().GetOp(), func(op *op_def_go_proto.OpDef) bool {
		return op.GetName() == "VarHandleOp" || op.GetName() == "VariableV2" || op.GetName() == "Variable"
	})
}

// Describe implements engine.Model.
func (m *Model) Describe() *engine.Description { return &m.Description }

// Study implements engine.Model.
func (m *Model) Study() map[string]*engine.Nature { return Study(m.dir, m.tags, m.Signatures) }

// Close ends the session and frees it. No instance may be running, and none may run afterwards.
func (m *Model) Close() {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	C.TF_CloseSession(m.session, st)
	C.TF_DeleteSession(m.session, st)
	C.TF_DeleteGraph(m.graph)
	m.session, m.graph = nil, nil
	m.shadow.remove()
	runtime.KeepAlive(m)
}

// output returns the graph's output with this tensor name, "op:0".
func (m *Model) output(name string) (C.TF_Output, error) {
	op, index := name, 0
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		n, err := strconv.Atoi(name[i+1:])
		if err != nil {
			return C.TF_Output{}, status.Errorf(codes.InvalidArgument, "tensor name %q: the part after ':' is not a number", name)
		}
		op, index = name[:i], n
	}
	cop := C.CString(op)
	defer C.free(unsafe.Pointer(cop))
	oper := C.TF_GraphOperationByName(m.graph, cop)
	if oper == nil || index >= int(C.TF_OperationNumOutputs(oper)) {
		return C.TF_Output{}, status.Errorf(codes.InvalidArgument, "the graph has no tensor %q", name)
	}
	return C.TF_Output{oper: oper, index: C.int(index)}, nil
}
