package oip

import (
	"strconv"

	"google.golang.org/grpc/status"

	"shoal/serving"
)

// IndexEntry is a version in the repository's index. A model without versions has only a name.
type IndexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	State   string `json:"state,omitempty"` // READY, LOADING, UNLOADING or UNAVAILABLE
	Reason  string `json:"reason,omitempty"`
}

const ready = "READY"

// Index lists the versions of all models, those that are gone too; readyOnly leaves only those that are ready.
func Index(core serving.Core, readyOnly bool) []IndexEntry {
	entries := []IndexEntry{}
	for _, m := range core.Models() {
		if len(m.Versions) == 0 && m.Configured && !readyOnly {
			entries = append(entries, IndexEntry{Name: m.Name})
		}
		for i := len(m.Versions) - 1; i >= 0; i-- {
			e := indexEntry(m.Name, &m.Versions[i])
			if e.State == ready || !readyOnly {
				entries = append(entries, e)
			}
		}
	}
	return entries
}

func indexEntry(model string, v *serving.VersionStatus) IndexEntry {
	e := IndexEntry{Name: model, Version: strconv.FormatInt(v.Version, 10)}
	switch v.State {
	case serving.Available:
		e.State = ready
	case serving.Start, serving.Loading:
		e.State = "LOADING"
	case serving.Unloading:
		e.State = "UNLOADING"
	default:
		e.State, e.Reason = "UNAVAILABLE", "unloaded"
	}
	if v.Err != nil {
		e.Reason = status.Convert(v.Err).Message()
	}
	return e
}
