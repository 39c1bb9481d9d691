package access

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRoots(t *testing.T) {
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, d := range []string{"models/a/1", "models-old", "secret", "more"} {
		if err := os.MkdirAll(at(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"models/out": at("secret"), "models/up": "../secret", "models/in": at("models/a"), "alias": at("models"),
		"models/dangling": at("nowhere"), "models/loop": "loop",
	} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	roots := Roots{at("models"), "more"}
	for path, want := range map[string]bool{
		at("models"): true, at("models/a"): true, at("models/a/"): true, at("models/not/yet"): true, at("models/in"): true,
		at("alias/a"): true, at("more"): true, "models/a": true, "./more/../models/a": true, at("models/..x"): true,
		at(): false, at("secret"): false, at("models-old"): false, at("models/../secret"): false, "models/../secret": false, "../": false,
		at("models/out"): false, at("models/out/1"): false, at("models/up"): false, at("models/out/not/yet"): false,
		at("models/dangling"): false, at("models/dangling/x"): false, at("models/loop"): false, "/": false, "": false,
	} {
		if got := roots.Allow(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if !(Roots{}).Allow("/etc") {
		t.Error("without roots a path is refused")
	}
	if (Roots{}).Allow("https://host/m.zip") || (Roots{"/"}).Allow("https://host/m.zip") || (Roots{"."}).Allow("https://host/m.zip") {
		t.Error("a URL is allowed that no root names")
	}
	// A root that is a link, and one that is not there yet.
	if r := (Roots{at("alias"), at("later")}); !r.Allow(at("models/a")) || !r.Allow(at("later/a")) || r.Allow(at("latera")) {
		t.Error("a root that is a link, or not there yet, is taken for another")
	}
}

func TestRootsThatAreURLs(t *testing.T) {
	roots := Roots{"/models", "https://host/models", "http://host:8080"}
	for at, want := range map[string]bool{
		"https://host/models/m.zip": true, "https://HOST/models/a/m.zip?x=1#sha256=0": true, "https://host/models": true, "http://host:8080/any": true,
		"http://host/models/m.zip": false, "https://host:8443/models/m.zip": false, "https://host/models-old/m.zip": false, "https://host/m.zip": false,
		"https://other/models/m.zip": false, "https://host/models/../m.zip": false, "https://host/models/%2e%2e/m.zip": false,
		"https://user@host/models/m.zip": false, "https://host@other/models/m.zip": false, "https://host.other/models/m.zip": false,
		"s3://host/models/m.zip": false, "https://%/models/m.zip": false, "://host/models": false,
	} {
		if got := roots.Allow(at); got != want {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
	if !roots.Allow("/models/a") || roots.Allow("/other") {
		t.Error("directories are judged differently beside URLs")
	}
}
