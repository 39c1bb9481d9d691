package tensorflow

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/engine/tensorflow/rewrite"
)

// Export implements engine.Exporter.
func (m *Model) Export(signature string) (*engine.Export, error) {
	p, err := plan(m.dir, Options{Tags: m.tags, only: signature}.withDefaults())
	if err != nil {
		return nil, err
	}
	defer p.close()
	for _, v := range p.result.Variables {
		if v.Fate == rewrite.Kept {
			return nil, status.Errorf(codes.Unimplemented, "the variable %q cannot be a constant: %s", v.Name, v.Why)
		}
	}
	x := new(engine.Export)
	x.Refused, x.Bounds = portability(p.meta)
	if err := p.fill(); err != nil {
		return nil, err
	}
	s, err := newShadow(m.dir, m.scratch, p.meta, p.result.Report)
	if err != nil {
		return nil, err
	}
	x.Dir, x.Remove = s.dir, s.remove
	return x, nil
}
