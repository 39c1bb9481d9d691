package tensorflow

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/internal/files"
)

// TensorFlow replaces each call of a function by the function's body. If a function calls itself, directly or through others,
// this has no end: the stack overflows, which ends the process. The same happens with long chains of calls; and functions that
// each call another one twice use all memory. No model that TensorFlow wrote is near these limits.
const (
	maxCallDepth = 100     // functions that call one another
	maxExpanded  = 1 << 22 // nodes after all calls are expanded
)

// checkSource reads the files that TensorFlow will read from dir, and rejects those that would end or hang the process.
func checkSource(dir string, tags []string) error {
	for _, name := range []string{"saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "fingerprint.pb", "variables", "assets"} {
		check, at := files.Regular, filepath.Join(dir, name)
		if name == "variables" || name == "assets" {
			check = files.AllRegular
		}
		if err := check(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return status.Errorf(codes.FailedPrecondition, "the SavedModel cannot be read: %v", err)
		}
	}
	_, raw, err := findMetaGraph(dir, tags)
	switch {
	case err == nil:
		err = checkFunctions(dir, raw)
		if len(raw) > largeSource {
			raw = nil
			debug.FreeOSMemory() // TensorFlow reads the file next and needs as much memory
		}
		return err
	case status.Code(err) == codes.NotFound:
		return checkText(dir) // if there is none either, TensorFlow reports what is missing
	}
	return nil // TensorFlow rejects a damaged file
}

const largeSource = 64 << 20

// checkText checks every meta graph of a saved_model.pbtxt, which TensorFlow reads if there is no saved_model.pb.
func checkText(dir string) error {
	file := filepath.Join(dir, "saved_model.pbtxt")
	if _, err := os.Stat(filepath.Join(dir, "saved_model.pb")); err == nil {
		return nil
	}
	text, err := files.Read(file, files.MaxMessage)
	if err != nil {
		return nil //nolint:nilerr // there is none: TensorFlow says so
	}
	model := new(pb.SavedModel)
	if prototext.Unmarshal(text, model) != nil {
		return nil // TensorFlow says what is wrong with it
	}
	for _, mg := range model.MetaGraphs {
		raw, err := proto.Marshal(mg)
		if err == nil {
			err = checkFunctions(dir, raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFunctions rejects an encoded MetaGraphDef whose functions expand without end or too far. It reads only the encoding, so it
// costs little compared with a graph's weights.
func checkFunctions(dir string, metaGraph []byte) error {
	w := callWalk{library: make(map[string]*caller), gradients: make(map[string]string)}
	main := new(caller)
	for graph := range messages(metaGraph, fieldGraphDef) {
		main.add(graph, fieldNode)
		for library := range messages(graph, fieldLibrary) {
			for function := range messages(library, fieldFunction) {
				name := ""
				for s := range messages(function, fieldSignature) {
					name = text(s, fieldName)
				}
				if w.library[name] == nil { // TensorFlow reports two functions of one name
					w.library[name] = new(caller)
				}
				w.library[name].add(function, fieldNodeDef)
			}
			for gradient := range messages(library, fieldGradient) {
				w.gradients[text(gradient, fieldFunctionName)] = text(gradient, fieldGradientFunc)
			}
		}
	}
	why := w.down(main)
	for _, name := range slices.Sorted(maps.Keys(w.library)) { // TensorFlow also expands functions that nothing calls
		if why == "" {
			why = w.into(name, w.library[name])
		}
	}
	if why != "" {
		return status.Errorf(codes.InvalidArgument, "the SavedModel in %s cannot be served: %s", dir, why)
	}
	return nil
}

// Field numbers of FunctionDefLibrary, GradientDef, NodeDef, AttrValue and NameAttrList.
const (
	fieldGradient     = 2
	fieldFunctionName = 1
	fieldGradientFunc = 2
	fieldAttr         = 5
	fieldEntryValue   = 2
	fieldAttrList     = 1
	fieldAttrFunc     = 10
	fieldListFunc     = 9
	fieldFuncAttr     = 2
)

// caller calls functions: it is a function of the library, or the main graph.
type caller struct {
	nodes   int64
	callees []string // by name, as often as they are called

	state    int   // of the walk
	depth    int   // functions below this one
	expanded int64 // nodes with all calls expanded
}

const (
	unseen = iota
	below  // the walk is below it
	walked
)

// add notes the nodes in a field of a graph or function, and what they may call: the op if that is a function, and the functions in
// attributes.
func (c *caller) add(graph []byte, field protowire.Number) {
	for node := range messages(graph, field) {
		c.nodes++
		op := text(node, fieldOp)
		c.callees = append(c.callees, op)
		c.addAttrs(node, fieldAttr, op == "SymbolicGradient", 0)
	}
}

// gradientOf begins the note of a call of a function's gradient: no function's name begins so.
const gradientOf = "\x00"

// addAttrs notes the functions in attributes, and in the attributes of those.
func (c *caller) addAttrs(raw []byte, field protowire.Number, gradient bool, depth int) {
	if depth > maxCallDepth { // deeper messages no parser takes
		return
	}
	called := func(function []byte) {
		name := text(function, fieldName)
		if c.callees = append(c.callees, name); gradient {
			c.callees = append(c.callees, gradientOf+name)
		}
		c.addAttrs(function, fieldFuncAttr, gradient, depth+1)
	}
	for entry := range messages(raw, field) {
		for value := range messages(entry, fieldEntryValue) {
			for function := range messages(value, fieldAttrFunc) {
				called(function)
			}
			for list := range messages(value, fieldAttrList) {
				for function := range messages(list, fieldListFunc) {
					called(function)
				}
			}
		}
	}
}

// callWalk follows calls, and keeps the path.
type callWalk struct {
	library   map[string]*caller
	gradients map[string]string
	path      []string
}

func (w *callWalk) into(name string, c *caller) (why string) {
	w.path = append(w.path, name)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.down(c)
}

// down computes what a caller expands to. It returns an error that says why the model cannot be served.
func (w *callWalk) down(c *caller) (why string) {
	if c.state == walked {
		return ""
	}
	c.state, c.expanded = below, c.nodes
	for _, name := range c.callees {
		if of, ok := strings.CutPrefix(name, gradientOf); ok {
			name = w.gradients[of]
		}
		callee := w.library[name]
		switch {
		case callee == nil:
			continue
		case callee.state == below:
			return fmt.Sprintf("its function %q calls itself: %s", name, strings.Join(append(w.path[slices.Index(w.path, name):], name), " → "))
		case len(w.path) >= maxCallDepth:
			return tooDeep(w.path[0])
		}
		if why := w.into(name, callee); why != "" {
			return why
		}
		c.depth = max(c.depth, callee.depth+1)
		c.expanded += callee.expanded
		switch {
		case c.depth > maxCallDepth:
			return tooDeep(name)
		case c.expanded > maxExpanded:
			return fmt.Sprintf("its functions have more than %d nodes when the calls in them are written out, at %q", maxExpanded, name)
		}
	}
	c.state = walked
	return ""
}

func tooDeep(name string) string {
	return fmt.Sprintf("its functions call one another more than %d deep, below %q", maxCallDepth, name)
}
