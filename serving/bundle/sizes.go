package bundle

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
)

const (
	maxRemembered = 256      // programs whose runs are remembered
	maxHashed     = 64 << 20 // bytes of a graph that is read once more to tell it from others
)

// sizeMemory remembers how long batches of a program ran, so that another version of it, trained further, begins where the last one
// is. A nil one remembers nothing.
type sizeMemory struct {
	mu    sync.Mutex
	known map[string][]batcher.Timing
	live  map[string]*batcher.Batcher // the one made last
}

func newSizeMemory() *sizeMemory {
	return &sizeMemory{known: make(map[string][]batcher.Timing), live: make(map[string]*batcher.Batcher)}
}

// recall returns the runs of the program's version that serves, or of the last that did.
func (m *sizeMemory) recall(program string) []batcher.Timing {
	if m == nil || program == "" {
		return nil
	}
	m.mu.Lock()
	b, known := m.live[program], m.known[program]
	m.mu.Unlock()
	if b != nil {
		if now := b.Timings(); len(now) > 0 {
			return now
		}
	}
	return known
}

// serves says that the program runs on this batcher now.
func (m *sizeMemory) serves(program string, b *batcher.Batcher) {
	if m != nil && program != "" {
		m.mu.Lock()
		m.live[program] = b
		m.mu.Unlock()
	}
}

// ends takes down what the batcher has found.
func (m *sizeMemory) ends(program string, b *batcher.Batcher) {
	if m == nil || program == "" || b == nil {
		return
	}
	found := b.Timings()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[program] == b {
		delete(m.live, program)
	}
	if len(found) == 0 {
		return
	}
	for other := range m.known { // any of them goes
		if len(m.known) < maxRemembered {
			break
		}
		delete(m.known, other)
	}
	m.known[program] = found
}

// program identifies what a model computes, whatever its weights are: the hashes that TensorFlow writes into fingerprint.pb, or else
// one of saved_model.pb. "": it cannot be told.
func program(dir string) string {
	if raw, err := os.ReadFile(filepath.Join(dir, "fingerprint.pb")); err == nil {
		var f pb.FingerprintDef
		if proto.Unmarshal(raw, &f) == nil && f.GetGraphDefProgramHash() != 0 {
			return strconv.FormatUint(f.GetGraphDefProgramHash(), 16) + "/" + strconv.FormatUint(f.GetSignatureDefHash(), 16)
		}
	}
	file := filepath.Join(dir, "saved_model.pb")
	if info, err := os.Stat(file); err != nil || info.Size() > maxHashed {
		return ""
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return string(sum[:])
}
