// Package source finds and fetches the versions of models, wherever they are kept. A Source is one kind of place; ByScheme chooses among
// several by the scheme of a base path.
package source

import (
	"context"
	"time"
)

// Source finds and fetches the versions of models. It is safe for concurrent use: a place that does not answer holds up no other.
// Errors carry a gRPC code. A call returns soon after its ctx has ended, where the operating system allows that.
type Source interface {
	// Versions lists the versions under a base path: their locations, by their numbers. An error means that nothing is known:
	// what is served stays.
	Versions(ctx context.Context, basePath string) (map[int64]string, error)
	// Inspect says what a version holds now. It is called only for versions that may have to be loaded. An error means that the
	// version is being changed, or is gone.
	Inspect(ctx context.Context, v Version) (Contents, error)
	// Fetch returns a local directory that holds the version. It may take minutes. The directory does not change and is not
	// removed until release is called, once; release is not nil where err is nil. What several fetches of one version share is
	// the source's business.
	Fetch(ctx context.Context, v Version) (dir string, release func(), err error)
}

// Version is one version that a source has found.
type Version struct {
	Number   int64
	Location string // a directory, or a URL with the scheme of the base path
}

// Contents is what a version holds at one moment.
type Contents struct {
	Fingerprint uint64    // differs whenever any file does
	Changed     time.Time // when any file changed last; the zero time: long ago
	HasModel    bool      // there is a model's main file, so that a loader can say what is wrong with the rest
	Missing     string    // a file that is not there yet; "": none is known to be missing
}
