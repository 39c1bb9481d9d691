// Package savedmodel knows which files a SavedModel has.
package savedmodel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Layout is the engine.Layout of SavedModels.
type Layout struct{}

// IsModel implements engine.Layout.
func (Layout) IsModel(name string) bool {
	return name == "saved_model.pb" || name == "saved_model.pbtxt" || name == "saved_model.cpb"
}

// Missing implements engine.Layout. A model without variables has no directory for them. The names of shards say how many there are.
func (l Layout) Missing(names []string) string {
	const index, data = "variables/variables.index", "variables/variables.data-"
	switch {
	case !slices.ContainsFunc(names, l.IsModel):
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

// Bytes is the size of the variables' files and of the graph, in which constants lie. Files that cannot be read count nothing.
func Bytes(dir string) (n uint64) {
	for _, pattern := range []string{"saved_model.pb", "variables/variables.data-*"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, file := range files {
			if info, err := os.Stat(file); err == nil {
				n += uint64(info.Size())
			}
		}
	}
	return n
}
