package manager

import (
	"fmt"

	"shoal/serving"
)

// warnings are those of the model's available versions.
func (mod *model) warnings() (all []string) {
	for _, v := range mod.newestFirst() {
		if v.live == nil {
			continue
		}
		if text := serving.WarningOf(v.live.servable); text != "" {
			all = append(all, fmt.Sprintf("model %s, version %d: %s", mod.name, v.Number, text))
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
		err := serving.ReadyOf(v.live.servable)
		if err == nil {
			return nil
		}
		if why == nil {
			why = err
		}
	}
	return why
}
