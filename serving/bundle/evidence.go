package bundle

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving/independence"
	"shoal/tensor"
)

// evidence is what speaks for the independence of a signature's rows.
type evidence struct {
	proof   *proof
	samples []*sample // different requests that could share a batch
	agreed  int       // comparisons
	random  int       // requests whose answer differed when they were run alone again
}

const (
	// evidenceSamples are compared with each other at a time.
	evidenceSamples = 4
	// agreementsLive and agreementsRecorded are how many comparisons have to agree: of whatever clients send, or of requests that were
	// chosen to stand for them.
	agreementsLive     = 9
	agreementsRecorded = 2
	// randomAtMost is how often answers may differ from run to run before nothing more is tried.
	randomAtMost = 3
)

const differsFromRunToRun = "its answers to the same request differ from run to run"

// piece is rows [from, to) of a sample.
type piece struct {
	of       *sample
	from, to int
}

func (s *sample) whole() piece { return piece{s, 0, s.rows} }

// hold keeps a sample for a comparison. One that asks the same as another, or could share no batch with it, begins anew or is dropped.
func (j *judge) hold(s *sample) *evidence {
	e := j.held[s.proof]
	if e == nil {
		e = &evidence{proof: s.proof}
		j.held[s.proof] = e
	}
	for _, other := range e.samples {
		if s.equals(other) {
			return e
		}
	}
	if len(e.samples) > 0 && !s.fits(e.samples[0]) {
		e.samples = e.samples[:0]
	}
	e.samples = append(e.samples, s)
	return e
}

// weigh runs the samples together, and the halves of the longest by themselves, and draws the conclusion.
func (j *judge) weigh(ctx context.Context, e *evidence, needed int) {
	for _, pieces := range e.trials() {
		agrees, why := j.together(ctx, e, pieces)
		switch {
		case why != "":
			if e.proof.unsureOrBatched() {
				j.refute(e.proof, why)
			}
			return
		case agrees:
			e.agreed++
		case e.random >= randomAtMost:
			e.proof.decide(false, differsFromRunToRun)
			return
		}
	}
	if s := e.proof.state(); s.Unproven && e.agreed >= needed {
		e.proof.decide(true, reasonLive)
		e.proof.watched.Store(true)
		j.log.Info("the rows of the signature are independent: its requests share batches from now on", "signature", s.Signature, "comparisons", e.agreed)
	}
}

func (p *proof) unsureOrBatched() bool {
	s := p.state()
	return s.Unproven || s.Batched
}

// trials are sets of pieces to run together: all samples, in reverse, some of them; of one with several rows, its first ones.
func (e *evidence) trials() (trials [][]piece) {
	n := len(e.samples)
	var all, reverse []piece
	longest := e.samples[0]
	for i, s := range e.samples {
		all = append(all, s.whole())
		reverse = append(reverse, e.samples[n-1-i].whole())
		if s.rows > longest.rows {
			longest = s
		}
	}
	if n > 1 {
		trials = append(trials, all, reverse)
	}
	if n > 2 {
		trials = append(trials, []piece{all[2], all[0]})
	}
	if half := longest.rows / 2; half > 0 {
		trials = append(trials, []piece{{longest, half, longest.rows}}, []piece{{longest, 0, half}})
	}
	return trials
}

// together runs the pieces as one request and compares each one's answer with its own. why is the disagreement.
func (j *judge) together(ctx context.Context, e *evidence, pieces []piece) (agrees bool, why string) {
	sig := e.proof.sig
	rows := 0
	for _, p := range pieces {
		rows += p.to - p.from
	}
	a, err := j.run(ctx, sig, join(pieces))
	switch {
	case err == nil:
	case independence.Transient(err):
		return false, ""
	default:
		return false, "requests that run alone do not run together: " + status.Convert(err).Message()
	}
	defer a.Free()
	at := 0
	for _, p := range pieces {
		if why = differ(sig, p, a, at, rows, j.rounding); why != "" {
			break
		}
		at += p.to - p.from
	}
	if why == "" {
		return true, ""
	}
	for _, p := range pieces {
		if varies, err := j.varies(ctx, p.of); varies || err != nil {
			e.random++
			return false, ""
		}
	}
	return false, why
}

// varies runs a sample alone once more and says whether its answer is another one.
func (j *judge) varies(ctx context.Context, s *sample) (bool, error) {
	a, err := j.run(ctx, s.proof.sig, s.inputs)
	if err != nil {
		return false, err
	}
	defer a.Free()
	return differ(s.proof.sig, s.whole(), a, 0, s.rows, j.rounding) != "", nil
}

// differ compares the answer that a piece got by itself with rows of a larger one, from at on.
func differ(sig *tensor.Signature, p piece, a *batcher.Answer, at, rows int, rounding float64) string {
	for i := range a.Outputs {
		name := sig.Outputs[i].Name
		own, other := &p.of.outputs[i], &a.Outputs[i]
		if own.Rows() != int64(p.of.rows) || other.Rows() != int64(rows) {
			return fmt.Sprintf("output %q has the shape %v for %d rows", name, other.Shape, rows)
		}
		if how := independence.Compare(own, p.from, other, at, p.to-p.from, rounding); how != "" {
			return fmt.Sprintf("rows depend on each other: output %q %s", name, how)
		}
	}
	return ""
}

// concatenate makes one request of parts that could share a batch.
func concatenate(parts [][]tensor.Tensor) []tensor.Tensor {
	inputs := make([]tensor.Tensor, len(parts[0]))
	for i, first := range parts[0] {
		t := tensor.Tensor{DType: first.DType, Shape: slices.Clone(first.Shape)}
		t.Shape[0] = 0
		for _, part := range parts {
			t.Shape[0] += part[i].Shape[0]
			t.Data = append(t.Data, part[i].Data...)
			t.Strings = append(t.Strings, part[i].Strings...)
		}
		inputs[i] = t
	}
	return inputs
}

// inputs are the piece's rows of the sample's inputs.
func (p piece) inputs() []tensor.Tensor {
	list := make([]tensor.Tensor, len(p.of.inputs))
	for i := range list {
		list[i] = p.of.inputs[i].Slice(int64(p.from), int64(p.to))
	}
	return list
}

func join(pieces []piece) []tensor.Tensor {
	parts := make([][]tensor.Tensor, len(pieces))
	for i, p := range pieces {
		parts[i] = p.inputs()
	}
	return concatenate(parts)
}

// check compares an answer out of a batch with the one that its request gets alone.
func (j *judge) check(ctx context.Context, s *sample) {
	p := s.proof
	if !p.batched.Load() {
		return
	}
	a, err := j.run(ctx, p.sig, s.inputs)
	why := ""
	switch {
	case independence.Transient(err):
		return
	case err != nil:
		why = "a request that ran in a batch does not run alone: " + status.Convert(err).Message()
	default:
		defer a.Free()
		why = differ(p.sig, s.whole(), a, 0, s.rows, j.rounding)
	}
	if why == "" || j.roundedBy(ctx, s) {
		return
	}
	if err == nil {
		alone := &sample{proof: p, inputs: s.inputs, outputs: a.Outputs, rows: s.rows}
		if varies, _ := j.varies(ctx, alone); varies {
			why = differsFromRunToRun
		}
	}
	j.refute(p, why)
}

// roundedBy says whether the size of the batch, and not the other requests in it, made the difference. Kernels for other sizes round in
// another way, which a model that picks the largest of two equal scores turns into another answer. In a batch of copies of itself the
// request then gets exactly the answer that it got.
func (j *judge) roundedBy(ctx context.Context, s *sample) bool {
	copies := s.size / s.rows
	if s.size%s.rows != 0 || int64(copies)*s.inputs[0].Bytes() > maxSample {
		return false
	}
	pieces := make([]piece, copies)
	for i := range pieces {
		pieces[i] = s.whole()
	}
	a, err := j.run(ctx, s.proof.sig, join(pieces))
	if err != nil {
		return false
	}
	defer a.Free()
	for k := range copies {
		if differ(s.proof.sig, s.whole(), a, k*s.rows, s.size, 0) != "" {
			return false
		}
	}
	return true
}
