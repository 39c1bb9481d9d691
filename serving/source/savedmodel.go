package source

import (
	"fmt"
	"slices"
	"strings"
)

// isModel reports whether a directory with a file of this name is a SavedModel, complete or not.
func isModel(name string) bool {
	return name == "saved_model.pb" || name == "saved_model.pbtxt" || name == "saved_model.cpb"
}

// missing is a file that a SavedModel with these files still lacks; "": it is complete, as far as names show. A model without
// variables has no directory for them, or an empty one. Names are as in a listing.
func missing(names []string) string {
	const index, data = "variables/variables.index", "variables/variables.data-"
	switch {
	case !slices.ContainsFunc(names, isModel):
		return "saved_model.pb"
	case !slices.Contains(names, "variables/"):
		return ""
	case !slices.Contains(names, index):
		return index
	}
	shards, have := 0, make(map[string]bool)
	for _, name := range names {
		var shard, of int
		if !strings.HasPrefix(name, data) {
			continue
		}
		if n, _ := fmt.Sscanf(name, data+"%05d-of-%05d", &shard, &of); n != 2 || name != shardName(shard, of) {
			continue // a copying tool's temporary name
		}
		have[name] = true
		shards = max(shards, of)
	}
	for i := range max(shards, 1) {
		if name := shardName(i, max(shards, 1)); !have[name] {
			return name
		}
	}
	return ""
}

func shardName(shard, of int) string {
	return fmt.Sprintf("variables/variables.data-%05d-of-%05d", shard, of)
}
