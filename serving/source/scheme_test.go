package source

import (
	"context"
	"maps"
	"testing"

	"google.golang.org/grpc/codes"

	"shoal/serving/servingtest"
)

// named is a source that answers with its name.
type named string

func (n named) Versions(_ context.Context, basePath string) (map[int64]string, error) {
	return map[int64]string{1: string(n) + " has " + basePath}, nil
}

func (n named) Inspect(_ context.Context, v Version) (Contents, error) {
	return Contents{Missing: string(n) + " inspected " + v.Location}, nil
}

func (n named) Fetch(_ context.Context, v Version) (string, func(), error) {
	return string(n) + " fetched " + v.Location, func() {}, nil
}

func TestByScheme(t *testing.T) {
	s := ByScheme{"": named("disk"), "file": named("disk"), "s3": named("bucket")}
	for location, want := range map[string]string{
		"models/a": "disk", "/models/a": "disk", "file:///models/a": "disk", "s3://b/a": "bucket", "S3://b/a": "bucket",
		"/odd/x://y": "disk", "://y": "disk", "9p://y": "disk",
	} {
		v := Version{Number: 1, Location: location}
		if found, err := s.Versions(t.Context(), location); err != nil || !maps.Equal(found, map[int64]string{1: want + " has " + location}) {
			t.Errorf("Versions: %v %v", found, err)
		}
		if c, err := s.Inspect(t.Context(), v); err != nil || c.Missing != want+" inspected "+location {
			t.Errorf("Inspect: %v %v", c, err)
		}
		if dir, _, err := s.Fetch(t.Context(), v); err != nil || dir != want+" fetched "+location {
			t.Errorf("Fetch: %v %v", dir, err)
		}
	}

	const use = "use a local or mounted directory, file://, s3://"
	_, err := s.Versions(t.Context(), "hdfs://n/a")
	servingtest.WantStatus(t, err, codes.InvalidArgument, "base path hdfs://n/a: hdfs:// is not supported: "+use)
	far := Version{Number: 1, Location: "git+ssh://n/a"}
	_, err = s.Inspect(t.Context(), far)
	servingtest.WantStatus(t, err, codes.InvalidArgument, "git+ssh:// is not supported: "+use)
	_, _, err = s.Fetch(t.Context(), far)
	servingtest.WantStatus(t, err, codes.InvalidArgument, "git+ssh:// is not supported: "+use)
}

func TestFileSystemTakesFileURLs(t *testing.T) {
	base := t.TempDir()
	servingtest.WriteFiles(t, base, "3/saved_model.pb")
	s := disk(nil)
	found, err := s.Versions(t.Context(), "file://"+base)
	if err != nil || !maps.Equal(found, map[int64]string{3: base + "/3"}) {
		t.Fatalf("%v %v", found, err)
	}
	dir, release, err := s.Fetch(t.Context(), Version{3, found[3]})
	if err != nil || dir != base+"/3" {
		t.Errorf("%s %v", dir, err)
	}
	release()
}

func TestShown(t *testing.T) {
	for location, want := range map[string]string{
		"/models/a?b": "/models/a?b",
		"https://me:secret@host/a%20b.zip?token=x#sha256=1": "https://host/a%20b.zip#sha256=1",
		"https://host/%zz?token=x":                          "https://… (not a URL)",
	} {
		if got := Shown(location); got != want {
			t.Errorf("%s: %s, want %s", location, got, want)
		}
	}
}
