package serving

// Readier is a servable that may be unable to answer anything for a while though it is available: its devices may be out of
// service. Ready says why, takes no lock and returns at once; nil: it can answer.
type Readier interface{ Ready() error }

// impaired says why none of the model's available versions can answer, or returns nil.
func (mod *model) impaired() (why error) {
	for _, v := range mod.newestFirst() {
		if v.live == nil {
			continue
		}
		r, ok := v.live.servable.(Readier)
		if !ok {
			return nil
		}
		err := r.Ready()
		if err == nil {
			return nil
		}
		if why == nil {
			why = err
		}
	}
	return why
}
