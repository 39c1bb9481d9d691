package tensorflow

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc/status"
)

// search loads packages of ops when a model first needs them. There is one, because ops belong to the process.
var search struct {
	mu     sync.Mutex
	dirs   []string
	logger *slog.Logger
	loaded map[string]bool // packages
}

// SearchOps sets where packages of ops are installed: directories of Python packages. Patterns are allowed.
func SearchOps(dirs []string, logger *slog.Logger) {
	search.mu.Lock()
	defer search.mu.Unlock()
	search.dirs, search.logger, search.loaded = dirs, logger, make(map[string]bool)
}

// loadOps loads the package that has the op. If it does not, why is the reason.
func loadOps(op string) (ok bool, why string) {
	p := packageOf(op)
	search.mu.Lock()
	defer search.mu.Unlock()
	if p == nil || len(p.libraries) == 0 || len(search.dirs) == 0 {
		return false, ""
	}
	if search.loaded[p.name] { // it may have been loaded for another model
		return true, ""
	}
	why = fmt.Sprintf("%s is installed in none of the directories of --custom_op_search_path: %s", p.name, strings.Join(search.dirs, ", "))
	for _, pattern := range search.dirs {
		found, _ := filepath.Glob(pattern) // an invalid pattern finds nothing
		for _, dir := range found {
			libraries, reason := p.in(dir)
			if reason != "" {
				why = reason
			}
			if len(libraries) == 0 {
				continue
			}
			for _, library := range libraries {
				if err := LoadOpLibrary(library); err != nil {
					return false, status.Convert(err).Message()
				}
			}
			search.loaded[p.name] = true
			search.logger.Info("ops loaded for a model that needs them", slog.String("package", p.name), slog.String("from", dir), slog.Int("libraries", len(libraries)))
			return true, ""
		}
	}
	return false, why
}

// in lists the package's libraries in a directory, if the package is installed there, is made for this TensorFlow, and other
// users cannot change it.
func (p *opPackage) in(dir string) (libraries []string, why string) {
	distribution := strings.ReplaceAll(p.name, "-", "_")
	infos, _ := filepath.Glob(filepath.Join(dir, distribution+"-*.dist-info"))
	if len(infos) == 0 {
		return nil, ""
	}
	release, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(infos[0]), distribution+"-"), ".dist-info")
	if wanted := minor(Version()); minor(release) != wanted {
		return nil, fmt.Sprintf("%s in %s has version %s, which is made for another TensorFlow than %s", p.name, dir, release, wanted)
	}
	for _, pattern := range p.libraries {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		libraries = append(libraries, found...)
	}
	for _, library := range libraries {
		if loose := writableByOthers(library); loose != "" {
			return nil, fmt.Sprintf("%s in %s is not loaded: others than root and this process's user can write %s", p.name, dir, loose)
		}
	}
	return libraries, ""
}

// minor returns 2.21 for 2.21.1.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// writableByOthers returns the file, or a directory above it, that users other than root and this user can change; "": there is
// none. A sticky directory, whose entries only their owners can replace, does not count.
func writableByOthers(file string) string {
	path, err := filepath.EvalSymlinks(file)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	for ; err == nil; path = filepath.Dir(path) {
		var info fs.FileInfo
		if info, err = os.Lstat(path); err != nil {
			break
		}
		owner, known := info.Sys().(*syscall.Stat_t)
		foreign := !known || owner.Uid != 0 && owner.Uid != uint32(os.Getuid())
		if foreign || info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return path
		}
		if path == filepath.Dir(path) {
			return ""
		}
	}
	return file
}
