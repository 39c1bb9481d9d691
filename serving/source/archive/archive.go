// Package archive is a source of models that are packed into archives: files of tar, compressed with gzip or not, and of zip, on
// HTTP servers or in the file system.
//
// An archive holds one version. Its name is the version's number ("https://host/m/7.tar.gz"), or else the number is 1. The model may
// lie in directories of the archive, as long as there is nothing beside them. When the archive at a base path changes, the version is
// loaded again.
package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/source"
	"shoal/serving/source/cache"
)

// Options are what a Source is made of.
type Options struct {
	Cache       *cache.Cache // of unpacked archives
	Directories Directories  // has the local base paths that are no archives, and the repositories
	Logger      *slog.Logger // nil: silent
}

// Directories is the source of local directories.
type Directories interface {
	source.Source
	source.Lister
}

// Source implements source.Source for http, https, file and for paths.
type Source struct {
	Options
	client   *http.Client
	patience patience

	mu     sync.Mutex
	probes map[string]*probe // by URL
	places map[string]*place // by URL or path
}

// New makes a source.
func New(o Options) *Source {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Source{Options: o, client: newClient(), patience: defaultPatience, probes: make(map[string]*probe), places: make(map[string]*place)}
}

// state is what is known of an archive that was not read.
type state struct {
	key     string    // equal keys stand for equal content
	changed time.Time // the zero time: long ago, or not known
	size    int64     // -1: not known
	ifRange string    // what makes a server continue a download only if the archive is still the same; "": it cannot tell
}

// A location is the archive's path or URL, "#" and its key: "sha256=…" where the base path says it, else "state=…".
var location = regexp.MustCompile(`^(.*)#((?:sha256=[0-9a-f]{64})|(?:state=[0-9a-f]{32}))$`)

// pinned is a base path that says which content it wants.
var pinned = regexp.MustCompile(`^(.*)#(sha256=[0-9a-f]{64})$`)

// Versions implements source.Source.
func (s *Source) Versions(ctx context.Context, basePath string) (map[int64]string, error) {
	at, key := basePath, ""
	if m := pinned.FindStringSubmatch(basePath); m != nil {
		at, key = m[1], m[2]
	}
	if !remote(at) {
		at = strings.TrimPrefix(at, "file://")
		if !isArchive(at) {
			return s.Directories.Versions(ctx, basePath)
		}
	} else if _, rest, _ := strings.Cut(at, "#"); key == "" && rest != "" {
		return nil, status.Errorf(codes.InvalidArgument, "base path %s: what follows # must be sha256= and 64 digits of 0-9a-f", show(at))
	}
	if key == "" {
		now, err := s.stateOf(ctx, at)
		if err != nil {
			return nil, err
		}
		key = s.place(at).tell(now, time.Now())
	}
	return map[int64]string{numberOf(at): at + "#" + key}, nil
}

// Inspect implements source.Source. What the location says is enough: an archive that changes has another one.
func (s *Source) Inspect(ctx context.Context, v source.Version) (source.Contents, error) {
	m := location.FindStringSubmatch(v.Location)
	if m == nil {
		return s.Directories.Inspect(ctx, v)
	}
	sum := fnv.New64a()
	sum.Write([]byte(m[2]))
	return source.Contents{Fingerprint: sum.Sum64(), HasModel: true, Changed: s.place(m[1]).changedAt(m[2])}, nil
}

// Fetch implements source.Source.
func (s *Source) Fetch(ctx context.Context, v source.Version) (dir string, release func(), err error) {
	m := location.FindStringSubmatch(v.Location)
	if m == nil {
		return s.Directories.Fetch(ctx, v)
	}
	at, key := m[1], m[2]
	sum := sha256.Sum256([]byte(at + "\n" + key))
	name := hex.EncodeToString(sum[:16])
	if content, ok := strings.CutPrefix(key, "sha256="); ok {
		name = content // wherever it is from
	}
	dir, release, err = s.Cache.Get(ctx, name, cache.Origin{Place: at, State: key}, func(ctx context.Context, dir string, room *cache.Room) error {
		return s.fill(ctx, at, key, dir, room)
	})
	if err != nil {
		return "", nil, err
	}
	if dir, err = top(dir, at); err != nil {
		release()
		return "", nil, err
	}
	s.place(at).fetched()
	return dir, release, nil
}

// Models implements source.Lister: a repository is a local directory.
func (s *Source) Models(ctx context.Context, root string) (map[string]string, error) {
	if remote(root) {
		return nil, status.Errorf(codes.Unimplemented, "%s cannot be a model repository: use a local or mounted directory", show(root))
	}
	return s.Directories.Models(ctx, root)
}

// stateOf is the present state of an archive.
func (s *Source) stateOf(ctx context.Context, at string) (state, error) {
	if remote(at) {
		return s.probe(ctx, at)
	}
	return stateOfFile(at)
}

func remote(at string) bool {
	scheme := source.Scheme(at)
	return scheme == "http" || scheme == "https"
}

// show is a URL without its user and query, which may be secrets.
func show(at string) string {
	if !remote(at) {
		return at
	}
	u, err := url.Parse(at)
	if err != nil {
		return source.Scheme(at) + "://…"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// suffixes are those of local archives. What an archive from a server is, its content tells.
var suffixes = []string{".tar.gz", ".tgz", ".tar", ".zip"}

// Place is a base path without the digest that it may end in.
func Place(basePath string) string {
	if m := pinned.FindStringSubmatch(basePath); m != nil {
		return m[1]
	}
	return basePath
}

// Name is the last part of an archive's path or URL, without what says that it is one.
func Name(at string) string {
	at, _, _ = strings.Cut(at, "#")
	if remote(at) {
		at, _, _ = strings.Cut(at, "?")
	}
	name := path.Base(at)
	for _, s := range suffixes {
		if short, ok := strings.CutSuffix(name, s); ok && short != "" {
			return short
		}
	}
	return name
}

func numberOf(at string) int64 {
	if n, err := strconv.ParseUint(Name(at), 10, 63); err == nil {
		return int64(n)
	}
	return 1
}

func errChanging(at string) error {
	return status.Errorf(codes.Aborted, "%s has changed meanwhile", show(at))
}
