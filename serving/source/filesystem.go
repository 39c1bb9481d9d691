package source

import (
	"context"
	"errors"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
)

// FileSystem finds versions in the file system: directories under the base path whose names are decimal numbers. The base path may
// be a file:// URL.
type FileSystem struct {
	Layout engine.Layout // of the models
	Logger *slog.Logger  // told, once, of directories that are probably not laid out as was meant; may be nil

	mu     sync.Mutex
	warned map[string]bool // guarded by mu
}

// Versions implements Source. "007" is version 7, as TensorFlow Serving reads it; of two directories for one number the
// last by name is taken. Links to directories count as directories. A base path without any that is itself a model, as other tools
// lay models out, is version 1.
func (s *FileSystem) Versions(_ context.Context, basePath string) (map[int64]string, error) {
	basePath = strings.TrimPrefix(basePath, "file://")
	entries, err := os.ReadDir(basePath)
	if err != nil {
		return nil, basePathError(basePath, err)
	}
	found, bare := make(map[int64]string), false
	for _, e := range entries {
		bare = bare || s.Layout.IsModel(e.Name())
		number, ok := parseVersion(e.Name())
		if !ok {
			continue
		}
		dir := filepath.Join(basePath, e.Name())
		if !e.IsDir() {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				continue
			}
		}
		if other, twice := found[number]; twice {
			s.warn(other, "two directories for one version", slog.Int64("version", number), slog.String("taken", dir), slog.String("ignored", other))
		}
		found[number] = dir
	}
	if bare && len(found) == 0 {
		found[1] = basePath
		s.warn(basePath, "the base path is itself a model and is served as version 1; to add versions, move it to a directory named by a number",
			slog.String("from", basePath), slog.String("to", filepath.Join(basePath, "1")))
	}
	return found, nil
}

// Inspect implements Source.
func (s *FileSystem) Inspect(_ context.Context, v Version) (Contents, error) {
	l := listing{sum: fnv.New64a()}
	if err := l.walk(v.Location, "", 0); err != nil {
		return Contents{}, status.Error(codes.Aborted, "its files are changing")
	}
	return Contents{
		Fingerprint: l.sum.Sum64(),
		Changed:     l.changed,
		HasModel:    slices.ContainsFunc(l.names, s.Layout.IsModel),
		Missing:     s.Layout.Missing(l.names),
	}, nil
}

// Fetch implements Source: it returns the version's own directory.
func (s *FileSystem) Fetch(_ context.Context, v Version) (dir string, release func(), err error) {
	return v.Location, func() {}, nil
}

// warn says something about a directory once.
func (s *FileSystem) warn(dir, text string, attrs ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Logger == nil || s.warned[dir] {
		return
	}
	if s.warned == nil {
		s.warned = make(map[string]bool)
	}
	s.warned[dir] = true
	s.Logger.Warn(text, attrs...)
}

func parseVersion(name string) (int64, bool) {
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(name, 10, 64)
	return n, err == nil
}

func basePathError(basePath string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return status.Errorf(codes.NotFound, "base path %s does not exist", basePath)
	case errors.Is(err, fs.ErrPermission):
		return status.Errorf(codes.PermissionDenied, "base path %s may not be read", basePath)
	}
	return status.Errorf(codes.Unavailable, "base path %s cannot be read: %v", basePath, err)
}
