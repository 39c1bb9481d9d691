package serving

import "fmt"

// Readier is a servable that may be unable to answer anything for a while though it is available: its devices may be out of
// service. Ready says why, takes no lock and returns at once; nil: it can answer.
type Readier interface{ Ready() error }

// Warner is a servable that can tell what is wrong with it though it can answer. It returns at once; "": nothing is.
type Warner interface{ Warning() string }

// warnings are those of the model's available versions.
func (mod *model) warnings() (all []string) {
	for _, v := range mod.newestFirst() {
		if v.live == nil {
			continue
		}
		if w, ok := v.live.servable.(Warner); ok {
			if text := w.Warning(); text != "" {
				all = append(all, fmt.Sprintf("model %s, version %d: %s", mod.name, v.number, text))
			}
		}
	}
	return all
}

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
