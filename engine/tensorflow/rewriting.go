package tensorflow

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/engine/tensorflow/rewrite"
)

// maxRewritten is the size of the largest saved_model.pb that is rewritten. Rewriting takes about three times its size in memory.
const maxRewritten = 512 << 20

// Plan returns what loading the model with these options would prune and freeze. It makes no session and writes nothing.
func Plan(dir string, o Options) (*rewrite.Report, error) {
	p, err := plan(dir, o.withDefaults())
	if err != nil {
		return nil, err
	}
	p.close()
	return p.result.Report, nil
}

// planned is a rewritten meta graph whose constants are not filled yet.
type planned struct {
	meta       *pb.MetaGraphDef
	result     *rewrite.Result
	checkpoint *checkpoint // nil: the model has none
}

func (p *planned) close() {
	if p.checkpoint != nil {
		p.checkpoint.close()
	}
}

func plan(dir string, o Options) (*planned, error) {
	if _, err := os.Stat(filepath.Join(dir, "saved_model.cpb")); err == nil {
		return nil, status.Error(codes.Unimplemented, "the model is in pieces (saved_model.cpb)")
	}
	info, err := os.Stat(filepath.Join(dir, "saved_model.pb"))
	if err != nil {
		return nil, status.Error(codes.Unimplemented, "there is no saved_model.pb")
	}
	if info.Size() > maxRewritten {
		return nil, status.Errorf(codes.Unimplemented, "saved_model.pb has %d MB, more than %d", info.Size()>>20, maxRewritten>>20)
	}
	p := new(planned)
	if p.meta, err = readGraph(dir, o.Tags); err != nil {
		return nil, err
	}
	if o.only != "" && !rewrite.Only(p.meta, o.only) {
		return nil, status.Errorf(codes.NotFound, "the model has no signature %q", o.only)
	}
	prefix := filepath.Join(dir, "variables", "variables")
	ro := rewrite.Options{NoPrune: o.NoPrune, Freeze: o.Freeze, Budget: o.FreezeBudget, Device: o.Device, NoFold: !foldsConstants(o.Config)}
	if o.only != "" {
		ro = rewrite.Options{Constants: true, NoFold: true}
	}
	if _, err := os.Stat(prefix + ".index"); err == nil && !o.NoPrune {
		if p.checkpoint, err = openCheckpoint(prefix); err != nil {
			return nil, err
		}
		ro.Checkpoint = p.checkpoint
	}
	if ro.Ops, err = registeredOps(p.meta.GraphDef); err == nil {
		p.result, err = rewrite.Rewrite(p.meta, ro)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// loadRewritten loads the model in dir by way of a rewritten shadow.
func loadRewritten(dir string, o Options) (*Model, error) {
	s, report, err := rewritten(dir, o)
	if err != nil {
		return nil, err
	}
	if s == nil {
		m, err := loadFrom(dir, o)
		if err == nil {
			m.Rewriting = report
		}
		return m, err
	}
	m, err := loadFrom(s.dir, o.forRewritten())
	if err != nil {
		s.remove()
		return nil, err
	}
	s.loaded()
	m.shadow, m.Rewriting = s, report
	if err := m.hasDevice(o.Device); err != nil {
		m.Close()
		return nil, err
	}
	o.Logger.Debug("graph rewritten", "dir", dir, "report", report)
	return m, nil
}

// rewritten makes a shadow of the model in dir; nil: the original is as good.
func rewritten(dir string, o Options) (*shadow, *rewrite.Report, error) {
	start := time.Now()
	p, err := plan(dir, o)
	if err != nil {
		return nil, nil, err
	}
	defer p.close()
	if !p.result.Changed() {
		return nil, p.result.Report, nil
	}
	if err := p.fill(); err != nil {
		return nil, nil, err
	}
	s, err := newShadow(dir, o.ScratchDir, p.meta, p.result.Report)
	p.result.Took = time.Since(start)
	return s, p.result.Report, err
}

// fill gives the constants their values.
func (p *planned) fill() error {
	for _, c := range p.result.Constants {
		data, err := p.checkpoint.value(c.Key.Name)
		if err != nil {
			return err
		}
		if int64(len(data)) != c.Bytes {
			return status.Errorf(codes.DataLoss, "the checkpoint's %q has %d bytes, not %d", c.Key.Name, len(data), c.Bytes)
		}
		c.Tensor.TensorContent = data
	}
	return nil
}

// hasDevice fails if the session does not have the device. TensorFlow would run everything on CPU 0 without an error.
func (m *Model) hasDevice(device string) error {
	if device == "" {
		return nil
	}
	names, err := sessionDevices(m.session)
	if err != nil || slices.Contains(names, device) {
		return err
	}
	return status.Errorf(codes.InvalidArgument, "there is no device %q; there are %s", device, strings.Join(names, ", "))
}

// forRewritten returns the options for a rewritten graph's session.
func (o Options) forRewritten() Options {
	c := new(pb.ConfigProto)
	if o.Config != nil {
		c = proto.CloneOf(o.Config)
	}
	if c.GraphOptions == nil {
		c.GraphOptions = new(pb.GraphOptions)
	}
	if c.GraphOptions.RewriteOptions == nil {
		c.GraphOptions.RewriteOptions = new(pb.RewriterConfig)
	}
	if r := c.GraphOptions.RewriteOptions; r.MinGraphNodes == 0 {
		r.MinGraphNodes = -1 // TensorFlow does not optimise main graphs of fewer than four nodes, which pruning leaves
	}
	if c.Experimental == nil {
		c.Experimental = new(pb.ConfigProto_Experimental)
	}
	// TensorFlow need not keep copies of the graph: it is not changed later, and its partitions are not requested.
	c.Experimental.OptimizeForStaticGraph = true
	c.Experimental.DisableOutputPartitionGraphs = !o.keepGraphs
	if o.Device != "" {
		c.AllowSoftPlacement = true // not every op has a kernel for every device
	}
	o.Config = c
	return o
}

// foldsConstants reports whether sessions with this configuration compute constants once, and not in every run.
func foldsConstants(c *pb.ConfigProto) bool {
	options := c.GetGraphOptions()
	r := options.GetRewriteOptions()
	off := pb.RewriterConfig_OFF
	return options.GetOptimizerOptions().GetOptLevel() != pb.OptimizerOptions_L0 && !r.GetDisableMetaOptimizer() &&
		r.GetConstantFolding() != off && r.GetMetaOptimizerIterations() != pb.RewriterConfig_ONE && len(r.GetOptimizers()) == 0
}
