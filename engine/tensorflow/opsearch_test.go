package tensorflow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package is used where it is for this TensorFlow and nobody else can write to it.
func TestPackagesThatAreTaken(t *testing.T) {
	text := packageOf("TFText>RoundRobinTrim")
	if text == nil || text != packageOf("CaseFoldUTF8") || packageOf("MatMul") != nil {
		t.Fatal("tensorflow-text is not known by its ops")
	}
	install := func(version string) (dir, library string) {
		dir = t.TempDir()
		for _, d := range []string{"tensorflow_text-" + version + ".dist-info", "tensorflow_text/python/ops"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		library = filepath.Join(dir, "tensorflow_text/python/ops/_a.so")
		if err := os.WriteFile(library, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir, library
	}
	good, library := install(minor(Version()) + ".7")
	if got, why := text.in(good); len(got) != 1 || got[0] != library || why != "" {
		t.Errorf("%q, %q", got, why)
	}
	old, _ := install("1.15.0")
	if got, why := text.in(old); got != nil || !strings.Contains(why, "has version 1.15.0, which is made for another TensorFlow than "+minor(Version())) {
		t.Errorf("%q, %q", got, why)
	}
	if got, why := text.in(t.TempDir()); got != nil || why != "" {
		t.Errorf("%q, %q", got, why)
	}
	for _, loose := range []string{library, filepath.Dir(library), good} {
		info, err := os.Stat(loose)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(loose, 0o777); err != nil {
			t.Fatal(err)
		}
		if got, why := text.in(good); got != nil || !strings.HasSuffix(why, "can write "+loose) {
			t.Errorf("%s: %q, %q", loose, got, why)
		}
		if err := os.Chmod(loose, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}
