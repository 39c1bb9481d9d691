package tensorflow

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

// Missing implements engine.Layout. A model without variables has no directory for them. The names of shards say how many there
// are.
func (l Layout) Missing(names []string) string {
	if !slices.ContainsFunc(names, l.IsModel) {
		return "saved_model.pb"
	}
	variables := make(map[string]bool)
	hasDirectory := false
	for _, name := range names {
		if inside, ok := strings.CutPrefix(name, "variables/"); ok {
			hasDirectory = true
			variables[inside] = true
		}
	}
	if !hasDirectory {
		return ""
	}
	if !variables["variables.index"] {
		return "variables/variables.index"
	}
	shards := 0
	for name := range variables {
		var shard, of int
		if !strings.HasPrefix(name, "variables.data-") {
			continue
		}
		if n, _ := fmt.Sscanf(name, "variables.data-%05d-of-%05d", &shard, &of); n != 2 || name != shardName(shard, of) {
			continue // a copying tool's temporary name
		}
		shards = max(shards, of)
	}
	if shards == 0 {
		return "variables/" + shardName(0, 1)
	}
	for i := range shards {
		if name := shardName(i, shards); !variables[name] {
			return "variables/" + name
		}
	}
	return ""
}

func shardName(shard, of int) string { return fmt.Sprintf("variables.data-%05d-of-%05d", shard, of) }

// Bytes implements engine.Engine: the files of the variables, and the graph, in which constants lie.
func (*Engine) Bytes(dir string) (n uint64) {
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
