package source

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"shoal/engine/tensorflow/savedmodel"
	"shoal/serving/servingtest"
)

func TestFileSystemModels(t *testing.T) {
	root := t.TempDir()
	servingtest.WriteFiles(t, root, "mlp/1/", "mlp/2/", "text/en/7/", "text/de/7/", "text/README.md", "bare/saved_model.pb", "empty/",
		".git/1/", "a/b/c/d/1/", "a/b/c/d/e/1/", "version/12", "1x/")
	if err := os.Symlink(filepath.Join(root, "mlp"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(root, "circle")); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{root, "file://" + root} {
		got, err := ByScheme{"": &FileSystem{Layout: savedmodel.Layout{}}, "file": &FileSystem{Layout: savedmodel.Layout{}}}.Models(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		for name := range got { // through the circle everything is found again, a few times
			if strings.HasPrefix(name, "circle/") {
				delete(got, name)
			}
		}
		want := map[string]string{"mlp": "/mlp", "link": "/link", "text/en": "/text/en", "text/de": "/text/de", "bare": "/bare", "a/b/c/d": "/a/b/c/d"}
		for name, dir := range want {
			want[name] = root + dir
		}
		if !maps.Equal(got, want) {
			t.Errorf("models %v\nwant %v", got, want)
		}
	}
}

func TestRepositoryFaults(t *testing.T) {
	root := t.TempDir()
	servingtest.WriteFiles(t, root, "mlp/1/")
	all := ByScheme{"": &FileSystem{Layout: savedmodel.Layout{}}, "other": struct{ Source }{}}
	_, err := all.Models(t.Context(), root+"/nowhere")
	servingtest.WantStatus(t, err, codes.NotFound, "model repository "+root+"/nowhere does not exist")
	_, err = all.Models(t.Context(), root+"/mlp")
	servingtest.WantStatus(t, err, codes.FailedPrecondition, root+"/mlp is a model's base path and no repository: it has 1; use --model_base_path, or the directory above")
	_, err = all.Models(t.Context(), "other://x")
	servingtest.WantStatus(t, err, codes.Unimplemented, "other:// cannot be a model repository: models there cannot be listed")
	_, err = all.Models(t.Context(), "s9://x")
	servingtest.WantStatus(t, err, codes.InvalidArgument, "s9:// is not supported: use a local or mounted directory, other://")
}
