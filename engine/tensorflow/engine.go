package tensorflow

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strconv"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/engine"
	"shoal/engine/tensorflow/rewrite"
	"shoal/engine/tensorflow/savedmodel"
)

// Engine loads SavedModels. Its fields hold for all of them.
type Engine struct {
	savedmodel.Layout
	Tags        []string        // of the meta graph to load; empty: serve
	Session     *pb.ConfigProto // laid over what SessionConfig chooses; nil: nothing
	VirtualCPUs int             // as how many devices TensorFlow shows the CPU; below 2: as one
	NoPrune     bool            // load graphs as they are
	Freeze      rewrite.Mode    // which variables become constants
	ScratchDir  string          // where rewritten graphs lie while they are loaded; "": the system's temporary directory
}

var _ engine.Engine = (*Engine)(nil)

// An Engine's models have every optional behaviour.
var _ interface {
	engine.Model
	engine.Reporter
	engine.Suspect
	engine.Fingerprinter
	engine.Exporter
} = (*Model)(nil)

var _ engine.Placer = (*Instance)(nil)

// Platform implements engine.Engine.
func (*Engine) Platform() string { return "tensorflow" }

// Check implements engine.Engine: it looks for the meta graph.
func (e *Engine) Check(dir string) error {
	_, err := ReadMetaGraph(dir, Options{Tags: e.Tags}.withDefaults().Tags)
	return err
}

// Bytes implements engine.Engine.
func (*Engine) Bytes(dir string) uint64 { return savedmodel.Bytes(dir) }

// Load implements engine.Engine. The version's own settings are laid over the engine's.
func (e *Engine) Load(dir string, o engine.Options) (engine.Model, error) {
	to := Options{
		Tags: e.Tags, NoPrune: e.NoPrune || o.AsItIs, Freeze: e.Freeze, ScratchDir: e.ScratchDir,
		Device: o.Device, Signatures: o.Signatures, Logger: o.Logger,
	}.withDefaults()
	var err error
	if to.Config, err = sessionConfig(dir, SessionConfig(e.Session, e.VirtualCPUs), to.Logger); err != nil {
		return nil, err
	}
	m, err := Load(dir, to)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Report implements engine.Reporter.
func (m *Model) Report() engine.Report {
	r := engine.Report{FellBack: m.FellBack, Imprecise: m.imprecise}
	if w := m.Rewriting; w != nil {
		r.Rewrite, r.Weights = w.Took, w.KeptBytes+w.ConstantBytes
		r.Graph = &engine.GraphReport{
			NodesBefore: w.Nodes.Before, NodesAfter: w.Nodes.After,
			Frozen: w.Frozen, Kept: w.Kept, Dropped: w.Dropped, BatchNormsFolded: w.Folded, NotFrozen: w.NotFrozen,
		}
	}
	return r
}

// Suspect implements engine.Suspect: the graph was pruned or frozen, and the error is of no kind that has other causes.
func (m *Model) Suspect(err error) bool {
	if m.asItIs || m.Rewriting == nil || !m.Rewriting.Changed() || deviceFault(err) {
		return false
	}
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.OutOfRange, codes.DataLoss, codes.Unimplemented, codes.Canceled, codes.DeadlineExceeded:
		return false
	}
	return true
}

// maxHashed is the size of the largest graph that is read once more to tell it from others.
const maxHashed = 64 << 20

// Fingerprint implements engine.Fingerprinter: the hashes that TensorFlow writes into fingerprint.pb, or else one of
// saved_model.pb.
func (m *Model) Fingerprint() string {
	if raw, err := os.ReadFile(filepath.Join(m.dir, "fingerprint.pb")); err == nil {
		var f pb.FingerprintDef
		if proto.Unmarshal(raw, &f) == nil && f.GetGraphDefProgramHash() != 0 {
			return strconv.FormatUint(f.GetGraphDefProgramHash(), 16) + "/" + strconv.FormatUint(f.GetSignatureDefHash(), 16)
		}
	}
	file := filepath.Join(m.dir, "saved_model.pb")
	if info, err := os.Stat(file); err != nil || info.Size() > maxHashed {
		return ""
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return string(sum[:])
}
