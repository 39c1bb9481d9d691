package source

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ByScheme is a Source that gives each call to the source of the location's scheme. The scheme "" stands for paths without one.
type ByScheme map[string]Source

// Scheme is the scheme of a URL in lower case, or "" for a path.
func Scheme(location string) string {
	scheme, _, found := strings.Cut(location, "://")
	if !found || scheme == "" {
		return ""
	}
	for i, c := range []byte(scheme) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune("+-.", rune(c))) {
			return ""
		}
	}
	return strings.ToLower(scheme)
}

// Shown is a location without what may be secret: a URL's user, password and query.
func Shown(location string) string {
	if Scheme(location) == "" {
		return location
	}
	u, err := url.Parse(location)
	if err != nil {
		scheme, _, _ := strings.Cut(location, "://")
		return scheme + "://… (not a URL)"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// For is the source of a base path or location. The error is INVALID_ARGUMENT and names the schemes there are.
func (s ByScheme) For(location string) (Source, error) {
	scheme := Scheme(location)
	if found, ok := s[scheme]; ok {
		return found, nil
	}
	return nil, status.Errorf(codes.InvalidArgument, "%s:// is not supported: use %s", scheme, s)
}

// String lists the schemes: "a local or mounted directory, file://, https://".
func (s ByScheme) String() string {
	known := slices.Sorted(maps.Keys(s))
	for i, scheme := range known {
		if scheme == "" {
			known[i] = "a local or mounted directory"
		} else {
			known[i] = scheme + "://"
		}
	}
	return strings.Join(known, ", ")
}

// Versions implements Source.
func (s ByScheme) Versions(ctx context.Context, basePath string) (map[int64]string, error) {
	found, err := s.For(basePath)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "base path %s: %s", basePath, status.Convert(err).Message())
	}
	return found.Versions(ctx, basePath)
}

// Inspect implements Source.
func (s ByScheme) Inspect(ctx context.Context, v Version) (Contents, error) {
	found, err := s.For(v.Location)
	if err != nil {
		return Contents{}, err
	}
	return found.Inspect(ctx, v)
}

// Fetch implements Source.
func (s ByScheme) Fetch(ctx context.Context, v Version) (dir string, release func(), err error) {
	found, err := s.For(v.Location)
	if err != nil {
		return "", nil, err
	}
	return found.Fetch(ctx, v)
}
