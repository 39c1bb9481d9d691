package access

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Roots are directories, and URLs of them. The empty list allows every path, and no URL: whoever may only call must not make the server
// ask others.
type Roots []string

// Allow says whether a path lies at or below one of the directories, once links on the way are followed. What does not
// exist yet counts as a plain name: it is a directory that may be made later. A path that cannot be judged is not allowed.
// A URL has to have the scheme and host of a root, and a path at or below that of the root.
func (r Roots) Allow(at string) bool {
	if strings.Contains(at, "://") {
		return r.allowURL(at)
	}
	if len(r) == 0 {
		return true
	}
	real, err := resolve(at)
	if err != nil {
		return false
	}
	for _, root := range r {
		if strings.Contains(root, "://") {
			continue
		}
		if root, err := resolve(root); err == nil && below(real, root) {
			return true
		}
	}
	return false
}

func (r Roots) allowURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.User != nil {
		return false
	}
	for _, root := range r {
		at, err := url.Parse(root)
		if err == nil && at.Scheme != "" && at.Scheme == u.Scheme && strings.EqualFold(at.Host, u.Host) && below(slashed(u), slashed(at)) {
			return true
		}
	}
	return false
}

// slashed is the path that a server may take a URL for: without "..", be it encoded or not.
func slashed(u *url.URL) string { return path.Clean("/" + u.Path) }

// String lists the directories.
func (r Roots) String() string { return strings.Join(r, ",") }

func below(path, root string) bool {
	rest, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(rest)
}

// resolve is the path that the system would open, absolute and without links. The part of it that does not exist is taken
// as it is written.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path) // it is cleaned, as base paths are before they are used
	if err != nil {
		return "", err
	}
	missing := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, missing), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if _, err := os.Lstat(path); err == nil {
			return "", errDangling // a link whose end may be made later, anywhere
		}
		parent := filepath.Dir(path)
		if parent == path {
			return "", err
		}
		path, missing = parent, filepath.Join(filepath.Base(path), missing)
	}
}

var errDangling = errors.New("a link to what does not exist")
