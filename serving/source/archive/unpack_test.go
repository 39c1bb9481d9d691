package archive

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"shoal/serving/source"
)

// unpackHere fetches an archive whose path is given.
func unpackHere(t *testing.T, name string, content []byte, limit int64) (map[string]string, error) {
	t.Helper()
	at := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(at, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, filepath.Join(t.TempDir(), "cache"), limit)
	v := s.version(at)
	if _, release, err := s.Fetch(t.Context(), v); err != nil {
		if left := s.leftovers(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		return nil, err
	} else {
		release()
	}
	return s.fetch(source.Version{Number: v.Number, Location: v.Location}), nil
}

// No archive writes outside its directory, or has links that lead out of it. canary lies beside all of it.
func TestArchivesThatReachOut(t *testing.T) {
	outside := t.TempDir()
	canary := filepath.Join(outside, "canary")
	if err := os.WriteFile(canary, []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 20)
	for name, items := range map[string][]item{
		"absolute":                          {{name: canary, text: "x"}},
		"up":                                {{name: up + canary, text: "x"}},
		"up from inside":                    {{name: "m/../../x", text: "x"}},
		"through an absolute link":          {{name: "out", link: outside}, {name: "out/canary", text: "x"}},
		"through a relative link":           {{name: "out", link: up + outside}, {name: "out/canary", text: "x"}},
		"through links that each stay in":   {{name: "a/", text: ""}, {name: "a/b", link: ".."}, {name: "c", link: "a/b/../.."}, {name: "c/x", text: "x"}},
		"a link that leads out":             {{name: "saved_model.pb", link: canary}},
		"a relative link that leads out":    {{name: "saved_model.pb", link: up + canary}},
		"a link to nothing":                 {{name: "saved_model.pb", link: "other"}},
		"a link to itself":                  {{name: "saved_model.pb", link: "saved_model.pb"}},
		"a hard link that leads out":        {{name: "saved_model.pb", hard: canary}},
		"a hard link up":                    {{name: "saved_model.pb", hard: up + canary}},
		"a hard link to a link out":         {{name: "a", link: canary}, {name: "saved_model.pb", hard: "a"}},
		"a device":                          {{name: "saved_model.pb", kind: tar.TypeChar}},
		"a pipe":                            {{name: "saved_model.pb", kind: tar.TypeFifo}},
		"a file twice":                      {{name: "x", text: "1"}, {name: "x", text: "2"}},
		"a file that is a directory":        {{name: "x", text: "1"}, {name: "x/y", text: "2"}},
		"a name with backslashes":           {{name: `m\saved_model.pb`, text: "1"}},
		"a name that is too long":           {{name: strings.Repeat("n", 300), text: "1"}},
		"a link in place of a file of ours": {{name: "x", text: "1"}, {name: "x", link: canary}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpackHere(t, "m.tar", tarOf(t, items...), 1<<20)
			wantError(t, err, codes.DataLoss, "m.tar cannot be unpacked: ")
			zippable := true
			for _, i := range items {
				zippable = zippable && i.hard == "" && i.kind == 0
			}
			if zippable {
				_, err := unpackHere(t, "m.zip", zipOf(t, items...), 1<<20)
				wantError(t, err, codes.DataLoss, "m.zip cannot be unpacked: ")
			}
			if text, err := os.ReadFile(canary); err != nil || string(text) != "alive" {
				t.Errorf("the canary: %q %v", text, err)
			}
			filepath.WalkDir(outside, func(path string, d fs.DirEntry, err error) error {
				if path != outside && path != canary {
					t.Errorf("made outside: %s", path)
				}
				return err
			})
		})
	}
}

func TestLinksInsideAnArchive(t *testing.T) {
	items := []item{{name: "m/saved_model.pb", link: "real/graph"}, {name: "m/real/graph", text: "graph"}}
	got, err := unpackHere(t, "m.zip", zipOf(t, items...), 0)
	if err != nil || got["saved_model.pb"] != "graph" {
		t.Errorf("%v %v", got, err)
	}
	got, err = unpackHere(t, "m.tar", tarOf(t, append(items, item{name: "m/copy", hard: "m/real/graph"})...), 0)
	if err != nil || got["saved_model.pb"] != "graph" || got["copy"] != "graph" {
		t.Errorf("%v %v", got, err)
	}
}

func TestArchivesThatGrow(t *testing.T) {
	bomb := gzipped(t, tarOf(t, item{name: "saved_model.pb", text: strings.Repeat("0", 20<<20)}))
	if len(bomb) > 100_000 {
		t.Fatalf("%d bytes", len(bomb))
	}
	_, err := unpackHere(t, "m.tgz", bomb, 10<<20)
	wantError(t, err, codes.ResourceExhausted, "--model_cache_bytes is 10485760")

	tail := gzipped(t, append(tarOf(t, model("graph")...), make([]byte, 20<<20)...))
	_, err = unpackHere(t, "m.tgz", tail, 0)
	wantError(t, err, codes.DataLoss, "more than 16 MiB follow its last file")

	many := make([]item, maxFiles+1)
	for i := range many {
		many[i].name = "./"
	}
	_, err = unpackHere(t, "m.tgz", gzipped(t, tarOf(t, many...)), 0)
	wantError(t, err, codes.DataLoss, "it has more than 100000 files")
}

func TestBrokenArchives(t *testing.T) {
	whole := gzipped(t, tarOf(t, model(random(10_000))...))
	zipped := zipOf(t, model(random(10_000))...)
	wrongSum := bytes.Clone(whole)
	wrongSum[len(wrongSum)-8] ^= 1
	for name, content := range map[string][]byte{
		"empty.tgz": nil, "cut.tgz": whole[:len(whole)/2], "wrong.tgz": wrongSum, "cut.zip": zipped[:len(zipped)/2], "text.zip": []byte("no archive"),
	} {
		_, err := unpackHere(t, name, content, 0)
		wantError(t, err, codes.DataLoss, name+" cannot be unpacked: ")
	}
	several := []item{{name: "m/1/saved_model.pb", text: "1"}, {name: "m/2/saved_model.pb", text: "2"}}
	_, err := unpackHere(t, "m.tar", tarOf(t, several...), 0)
	wantError(t, err, codes.InvalidArgument, "m.tar has several versions: an archive holds one; name it by its number")
}
