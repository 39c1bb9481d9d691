package engine

import (
	"time"

	"shoal/tensor"
)

// A model or an instance may do more than Model and Instance say. This file declares all of it, and only the functions below look
// for it.

// Reporter is a model that can tell what its load made of it.
type Reporter interface {
	Report() Report
}

// Report says what loading made of a model. The zero Report is that of a model that was loaded as it is.
type Report struct {
	Rewrite  time.Duration // part of the load in which the graph was rewritten
	Graph    *GraphReport  // nil: the graph was not rewritten
	FellBack error         // why the graph was not rewritten although it should have been; nil
	Weights  int64         // bytes of variables and large constants; 0: not known
	// Imprecise says that runs may compute with less precision than the model's types have.
	Imprecise bool
}

// GraphReport says what was done to a graph.
type GraphReport struct {
	NodesBefore, NodesAfter int
	Frozen                  int // variables that became constants
	Kept                    int // variables that stay
	Dropped                 int // variables that nothing uses
	BatchNormsFolded        int
	NotFrozen               string // why nothing was frozen though it could be; ""
}

// Suspect is a model whose graph the engine may have changed.
type Suspect interface {
	// Suspect reports whether the error of a first run may come from those changes. The model is then loaded AsItIs.
	Suspect(err error) bool
}

// Fingerprinter is a model that can tell what it computes.
type Fingerprinter interface {
	// Fingerprint is the same for two models that differ in their weights only; "": it is not known.
	Fingerprint() string
}

// Placer is an instance that can tell where its ops run.
type Placer interface {
	// Placement runs the batch and reports where its ops ran.
	Placement(b *tensor.Batch) (Placement, error)
}

// Placement is where the ops of a run were executed. Copies between devices, and ops that only pass values on, are not counted.
type Placement struct {
	Ops       int            // on the device of Options.Device
	Elsewhere map[string]int // ops that ran on another device, by name
}

// Exporter is a model whose signatures another engine can run.
type Exporter interface {
	// Export writes a signature for another engine. The caller removes it when it was read. UNIMPLEMENTED: it cannot be written, and
	// why.
	Export(signature string) (*Export, error)
}

// Export is one signature in a SavedModel of its own: it is serving_default there, all weights are constants, and there is nothing
// else.
type Export struct {
	Dir string
	// Refused is why an engine that computes float32 and int32 may not answer, or not fail, as the model's own engine does; "":
	// it does.
	Refused string
	// Bounds are the integers for which that holds, by the input's name.
	Bounds map[string]Bound
	Remove func()
}

// Bound is a range of integers, both ends included.
type Bound struct{ Min, Max int64 }

// Second is an engine that runs signatures of models that another engine has loaded.
type Second interface {
	// Name is what flags and reports call the engine: "openvino".
	Name() string
	// Take reads an exported signature. FAILED_PRECONDITION: the engine is not installed; UNIMPLEMENTED: it cannot run the signature.
	Take(x *Export, sig *tensor.Signature) (Taken, error)
}

// Taken makes instances of one signature.
type Taken interface {
	NewInstance() (Instance, error)
	// Close frees what was read. The instances do not need it.
	Close()
}

// ReportOf is the zero Report if the model is no Reporter.
func ReportOf(m Model) Report {
	if r, ok := m.(Reporter); ok {
		return r.Report()
	}
	return Report{}
}

// Suspects is false if the model is no Suspect.
func Suspects(m Model, err error) bool {
	s, ok := m.(Suspect)
	return ok && err != nil && s.Suspect(err)
}

// FingerprintOf is "" if the model is no Fingerprinter.
func FingerprintOf(m Model) string {
	if f, ok := m.(Fingerprinter); ok {
		return f.Fingerprint()
	}
	return ""
}

// PlacementOf reports false if the instance is no Placer.
func PlacementOf(in Instance, b *tensor.Batch) (p Placement, known bool, err error) {
	placer, ok := in.(Placer)
	if !ok {
		return p, false, nil
	}
	p, err = placer.Placement(b)
	return p, true, err
}
