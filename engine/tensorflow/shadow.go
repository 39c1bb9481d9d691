package tensorflow

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/engine/tensorflow/rewrite"
)

// shadow is a directory with a rewritten saved_model.pb, and links to everything else of the original: TensorFlow loads models
// from directories only.
type shadow struct {
	dir    string
	lock   *os.File // the open directory, locked while it is used
	assets bool     // a graph may read them while it runs
}

const shadowPrefix = "shoal-model-"

// newShadow makes a shadow of the model in dir, below scratch (empty: the system's directory for temporary files).
func newShadow(dir, scratch string, mg *pb.MetaGraphDef, report *rewrite.Report) (_ *shadow, err error) {
	original, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(original)
	if err != nil {
		return nil, err
	}
	sweepShadows(scratch)
	s := new(shadow)
	if s.dir, err = os.MkdirTemp(scratch, shadowPrefix); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if s.lock, err = lockShadow(s.dir); err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, "saved_model.") || name == "fingerprint.pb" || name == "variables" && report.NoCheckpoint {
			continue
		}
		s.assets = s.assets || name == "assets" && !empty(filepath.Join(original, name))
		if err = os.Symlink(filepath.Join(original, name), filepath.Join(s.dir, name)); err != nil {
			return nil, err
		}
	}
	if err = s.write(mg); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *shadow) write(mg *pb.MetaGraphDef) error {
	file, err := os.Create(filepath.Join(s.dir, "saved_model.pb"))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 256<<10)
	if err = rewrite.Write(w, mg); err == nil {
		err = w.Flush()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// loaded is called when the session is made. From then on runs can read assets only.
func (s *shadow) loaded() {
	if s.assets {
		os.Remove(filepath.Join(s.dir, "saved_model.pb"))
	} else {
		s.remove()
	}
}

// remove deletes the directory, but not the files to which it links. It may be called on nil.
func (s *shadow) remove() {
	if s != nil && s.dir != "" {
		os.RemoveAll(s.dir)
		s.dir = ""
		s.lock.Close()
	}
}

// lockShadow locks the directory while the returned file is open and this process lives. It fails if another process has the lock.
func lockShadow(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweepShadows removes directories that killed processes have left. A directory is locked shortly after it is made, so
// sweepShadows ignores new ones.
func sweepShadows(scratch string) {
	if scratch == "" {
		scratch = os.TempDir()
	}
	left, _ := filepath.Glob(filepath.Join(scratch, shadowPrefix+"*"))
	for _, dir := range left {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if f, err := lockShadow(dir); err == nil {
			os.RemoveAll(dir)
			f.Close()
		}
	}
}

func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}
