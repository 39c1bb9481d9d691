package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Lister finds the models of a repository.
type Lister interface {
	// Models lists the models under a root: their base paths, by their names. Every directory that has versions, or is itself a model's
	// version, is a model; its name is its path below the root, with slashes. An error means that nothing is known: what is served stays.
	Models(ctx context.Context, root string) (map[string]string, error)
}

// A repository is looked through no deeper and no further than this: links can make circles.
const maxNesting, maxModels = 4, 100_000

// Models implements Lister. Directories whose names begin with a dot are left out.
func (s *FileSystem) Models(ctx context.Context, root string) (map[string]string, error) {
	root = strings.TrimPrefix(root, "file://")
	found := make(map[string]string)
	if err := s.models(ctx, found, root, "", 0); err != nil {
		return nil, err
	}
	return found, nil
}

// models adds the models in and below dir, whose name below the root is name.
func (s *FileSystem) models(ctx context.Context, found map[string]string, dir, name string, depth int) error {
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && depth == 0:
		return repositoryError(dir, err)
	case err != nil: // one that vanished just now, or may not be read, hides no other
		return nil
	}
	var below []string
	for _, e := range entries {
		_, version := parseVersion(e.Name())
		directory := isDirectory(dir, e)
		switch {
		case version && directory, s.Layout.IsModel(e.Name()) && !directory:
			if depth == 0 {
				return status.Errorf(codes.FailedPrecondition, "%s is a model's base path and no repository: it has %s; use --model_base_path, or the directory above",
					dir, e.Name())
			}
			found[name] = dir
			return nil
		case directory && !strings.HasPrefix(e.Name(), "."):
			below = append(below, e.Name())
		}
	}
	if depth == maxNesting {
		return nil
	}
	for _, child := range below {
		if len(found) == maxModels {
			return status.Errorf(codes.ResourceExhausted, "%s has more than %d models", dir, maxModels)
		}
		if err := s.models(ctx, found, filepath.Join(dir, child), path.Join(name, child), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func isDirectory(dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(filepath.Join(dir, e.Name()))
	return err == nil && info.IsDir()
}

func repositoryError(root string, err error) error {
	s := status.Convert(basePathError(root, err))
	return status.Error(s.Code(), strings.Replace(s.Message(), "base path", "model repository", 1))
}

// Models implements Lister. The source of a scheme that cannot list models makes that an error.
func (s ByScheme) Models(ctx context.Context, root string) (map[string]string, error) {
	found, err := s.For(root)
	if err != nil {
		return nil, err
	}
	l, ok := found.(Lister)
	if !ok {
		return nil, status.Error(codes.Unimplemented, fmt.Sprintf("%s:// cannot be a model repository: models there cannot be listed", Scheme(root)))
	}
	return l.Models(ctx, root)
}
