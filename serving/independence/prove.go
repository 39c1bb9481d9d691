package independence

import (
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// Proof is how a signature is examined.
type Proof struct {
	Runner    Runner
	Signature *tensor.Signature
	Rounding  float64       // of floats; 0: Rounding
	Budget    time.Duration // after which no run is begun that the least proof does not need; 0: none
	// Ran is told of each run that succeeded, those of a shape's first rows included; nil: nobody is.
	Ran func(rows int, r *tensor.Result, took time.Duration)

	start time.Time
}

// The runs of one trial, by the numbers of its rows: all together, in reverse, and alone; then some more. A model whose rows do not
// know each other answers each of them as it does in the first run.
var (
	together = []int{0, 1, 2, 3}
	orders   = [][]int{{3, 2, 1, 0}, {1}, {0}, {2, 0}, {3, 1, 2}}
)

const (
	// TrialRows is how many rows a trial has.
	TrialRows = 4
	// leastOrders are run whatever they take: the reverse, and two rows alone.
	leastOrders = 3
)

// Try runs the trials until one speaks against independence or the budget is spent. At least one is needed that the model takes, and
// whose rows it tells apart.
func (p *Proof) Try(trials []Rows) Verdict {
	if p.Rounding == 0 {
		p.Rounding = Rounding
	}
	p.start = time.Now()
	v := Verdict{Why: "there are no rows to try it with"}
	var refused error
	for i, rows := range trials {
		if i > 0 && v.Kind == Independent && p.spent() {
			break
		}
		t := p.trial(rows)
		switch {
		case t.Kind == Dependent:
			return t
		case t.Kind == Independent:
			v = t
		case v.Kind != Independent && (t.Refused == nil || v.Refused == nil):
			v = t
		}
		if t.Refused != nil && refused == nil {
			refused = t.Refused
		}
	}
	if v.Kind != Independent && v.Refused != nil {
		v.Refused = refused // the first one
	}
	return v
}

func (p *Proof) spent() bool { return p.Budget > 0 && time.Since(p.start) > p.Budget }

// trial compares the answers to one set of rows.
func (p *Proof) trial(rows Rows) Verdict {
	all, err := p.run(rows, together)
	if err != nil {
		return p.refusal(rows, err)
	}
	defer all.Free()
	if why := follows(p.Signature, all.Outputs, len(together)); why != "" {
		return Verdict{Kind: Dependent, Why: why}
	}
	for i, order := range orders {
		if i >= leastOrders && p.spent() {
			break
		}
		part, err := p.run(rows, order)
		switch {
		case Transient(err):
			return Verdict{Why: message(err)}
		case err != nil:
			return Verdict{Kind: Dependent, Why: "4 rows run, some of them do not: " + message(err)}
		}
		why := p.compare(all, part, order)
		part.Free()
		if why != "" {
			return p.disagreement(rows, all, why)
		}
	}
	if !p.tellsApart(all) {
		return Verdict{Why: "its answers to different rows are all alike"}
	}
	return Verdict{Kind: Independent}
}

func (p *Proof) run(rows Rows, order []int) (*tensor.Result, error) {
	began := time.Now()
	r, err := p.Runner.Run(rows.batch(p.Signature, order))
	if err == nil && p.Ran != nil {
		p.Ran(len(order), r, time.Since(began))
	}
	return r, err
}

// compare holds the rows of a part against the same rows of all.
func (p *Proof) compare(all, part *tensor.Result, order []int) string {
	if why := follows(p.Signature, part.Outputs, len(order)); why != "" {
		return why
	}
	for i := range part.Outputs {
		for at, k := range order {
			if how := Compare(&part.Outputs[i], at, &all.Outputs[i], k, 1, p.Rounding); how != "" {
				return "output \"" + p.Signature.Outputs[i].Name + "\" " + how
			}
		}
	}
	return ""
}

// disagreement asks once more for the answer to all rows: a model whose answers differ anyway says nothing about its rows.
func (p *Proof) disagreement(rows Rows, all *tensor.Result, why string) Verdict {
	again, err := p.run(rows, together)
	if err != nil {
		return Verdict{Why: message(err)}
	}
	defer again.Free()
	if p.compare(all, again, together) != "" {
		return Verdict{Why: random}
	}
	return Verdict{Kind: Dependent, Why: "rows depend on each other: " + why}
}

const random = "its answers to the same rows differ from run to run"

// refusal is the verdict where the model does not run all the rows together: it may refuse one of them, or any two.
func (p *Proof) refusal(rows Rows, err error) Verdict {
	if Transient(err) {
		return Verdict{Why: message(err)}
	}
	for k := range together {
		r, alone := p.run(rows, []int{k})
		if alone != nil {
			return Verdict{Why: "the model refuses the rows it was tried with: " + message(alone), Refused: alone}
		}
		r.Free()
	}
	return Verdict{Kind: Dependent, Why: "each of 4 rows runs alone, but not together: " + message(err)}
}

// tellsApart reports whether the answers to the rows differ: those of a model that gives the same to all prove nothing.
func (p *Proof) tellsApart(all *tensor.Result) bool {
	return slices.ContainsFunc(all.Outputs, func(t tensor.Tensor) bool {
		for k := 1; k < TrialRows; k++ {
			if Compare(&t, 0, &t, k, 1, 0) != "" {
				return true
			}
		}
		return false
	})
}

// Transient reports whether an error is of the moment and says nothing about the rows.
func Transient(err error) bool {
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted:
		return true
	}
	return false
}
