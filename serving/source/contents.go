package source

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A version's directory is looked through no deeper and no further than this: links can make circles.
const maxDepth, maxFiles = 8, 100_000

// inspect reads the directory of one version. An error means that it changed or vanished while it was read.
func inspect(dir string) (Contents, error) {
	in := inspector{sum: fnv.New64a(), variables: make(map[string]bool)}
	if err := in.walk(dir, "", 0); err != nil {
		return Contents{}, err
	}
	in.contents.Print = in.sum.Sum64()
	in.contents.Missing = in.missing()
	return in.contents, nil
}

type inspector struct {
	contents     Contents
	hasVariables bool            // there is a directory variables
	variables    map[string]bool // the names in it
	files        int
	sum          interface {
		io.Writer
		Sum64() uint64
	}
}

func (in *inspector) walk(dir, rel string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err == nil {
		in.note(rel, info)
	}
	for _, e := range entries {
		if in.files++; in.files > maxFiles {
			return nil
		}
		name, full := path.Join(rel, e.Name()), filepath.Join(dir, e.Name())
		info, err := os.Stat(full)
		if err != nil {
			return err
		}
		if info.IsDir() {
			in.hasVariables = in.hasVariables || name == "variables"
			if depth < maxDepth {
				if err := in.walk(full, name, depth+1); err != nil {
					return err
				}
			}
			continue
		}
		in.note(name, info)
		switch {
		case name == "saved_model.pb", name == "saved_model.pbtxt", name == "saved_model.cpb":
			in.contents.HasModel = true
		case rel == "variables":
			in.variables[e.Name()] = true
		}
	}
	return nil
}

// note takes a file or directory into the print. The time of change (ctime) counts too: copying tools set the time of
// modification back, nothing sets this one, and a mere chmod after "permission denied" shows in it.
func (in *inspector) note(name string, info os.FileInfo) {
	changed := changeTime(info)
	for _, t := range []int64{info.ModTime().UnixNano(), changed.UnixNano()} {
		fmt.Fprintf(in.sum, "%d ", t)
	}
	if !info.IsDir() {
		fmt.Fprintf(in.sum, "%d ", info.Size())
	}
	fmt.Fprintf(in.sum, "%q\n", name)
	if changed.After(in.contents.Changed) {
		in.contents.Changed = changed
	}
}

// missing names what a SavedModel of this form still lacks. A model without variables has no directory for them, or
// an empty one.
func (in *inspector) missing() string {
	if !in.contents.HasModel {
		return "saved_model.pb"
	}
	if !in.hasVariables {
		return ""
	}
	if !in.variables["variables.index"] {
		return "variables/variables.index"
	}
	shards := 0
	for name := range in.variables {
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
		if name := shardName(i, shards); !in.variables[name] {
			return "variables/" + name
		}
	}
	return ""
}

func shardName(shard, of int) string { return fmt.Sprintf("variables.data-%05d-of-%05d", shard, of) }
