package source

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"shoal/internal/testlog"
	"shoal/serving/servingtest"
)

func TestFileSystemVersions(t *testing.T) {
	base := t.TempDir()
	servingtest.WriteFiles(t, base, "1/", "007/", "7/", "20260101120000/", "12", "-3/", "+4/", "4a/", "tmp/", ".5/", "99999999999999999999/")
	if err := os.Symlink(filepath.Join(base, "1"), filepath.Join(base, "30")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(base, "nowhere"), filepath.Join(base, "31")); err != nil {
		t.Fatal(err)
	}
	got, err := (&FileSystem{}).Versions(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]string{1: base + "/1", 7: base + "/7", 20260101120000: base + "/20260101120000", 30: base + "/30"}
	if !maps.Equal(got, want) {
		t.Errorf("versions %v\nwant %v", got, want)
	}
}

// A SavedModel without a numbered directory is version 1, until there is one.
func TestFileSystemTakesABareModel(t *testing.T) {
	base, log := t.TempDir(), new(testlog.Log)
	source := &FileSystem{Logger: log.Logger()}
	for _, c := range []struct {
		add  []string
		want map[int64]string
	}{
		{[]string{"variables/variables.index", "assets/", "5"}, map[int64]string{}},
		{[]string{"saved_model.pb"}, map[int64]string{1: base}},
		{[]string{"fingerprint.pb"}, map[int64]string{1: base}},
		{[]string{"3/saved_model.pb"}, map[int64]string{3: base + "/3"}},
	} {
		servingtest.WriteFiles(t, base, c.add...)
		if got, err := source.Versions(t.Context(), base); err != nil || !maps.Equal(got, c.want) {
			t.Errorf("after %v: %v, %v", c.add, got, err)
		}
	}
	if lines := log.Lines("served as version 1"); len(lines) != 1 || !strings.Contains(lines[0], "to="+base+"/1") {
		t.Errorf("%q", lines)
	}
}

func TestFileSystemNamesTheBasePath(t *testing.T) {
	base := filepath.Join(t.TempDir(), "missing")
	_, err := (&FileSystem{}).Versions(t.Context(), base)
	servingtest.WantStatus(t, err, codes.NotFound, "base path "+base+" does not exist")

	servingtest.WriteFiles(t, filepath.Dir(base), "file")
	file := filepath.Join(filepath.Dir(base), "file")
	_, err = (&FileSystem{}).Versions(t.Context(), file)
	servingtest.WantStatus(t, err, codes.Unavailable, "base path "+file+" cannot be read: not a directory")
}

func inspect(t *testing.T, dir string) (Contents, error) {
	return new(FileSystem).Inspect(t.Context(), Version{Number: 1, Location: dir})
}

func TestInspectNamesWhatIsMissing(t *testing.T) {
	const index, one = "variables/variables.index", "variables/variables.data-00000-of-00001"
	for _, c := range []struct {
		name     string
		files    []string
		hasModel bool
		missing  string
	}{
		{"empty", []string{"assets/"}, false, "saved_model.pb"},
		{"variables first", []string{index, one}, false, "saved_model.pb"},
		{"another file of this name", []string{"assets/saved_model.pb"}, false, "saved_model.pb"},
		{"no variables", []string{"saved_model.pb", "assets/vocabulary"}, true, ""},
		{"text form", []string{"saved_model.pbtxt"}, true, ""},
		{"chunked form", []string{"saved_model.cpb"}, true, ""},
		{"whole", []string{"saved_model.pb", index, one}, true, ""},
		{"empty variables", []string{"saved_model.pb", "variables/"}, true, index},
		{"data before index", []string{"saved_model.pb", one}, true, index},
		{"index before data", []string{"saved_model.pb", index}, true, one},
		{"a copying tool's temporary name", []string{"saved_model.pb", index, one + ".Xy12"}, true, one},
		{"one of two shards", []string{"saved_model.pb", index, "variables/variables.data-00000-of-00002"}, true, "variables/variables.data-00001-of-00002"},
		{"both", []string{"saved_model.pb", index, "variables/variables.data-00000-of-00002", "variables/variables.data-00001-of-00002"}, true, ""},
	} {
		dir := t.TempDir()
		servingtest.WriteFiles(t, dir, c.files...)
		got, err := inspect(t, dir)
		if err != nil || got.HasModel != c.hasModel || got.Missing != c.missing {
			t.Errorf("%s: %+v %v", c.name, got, err)
		}
	}
}

func TestInspectSeesEveryChange(t *testing.T) {
	dir := t.TempDir()
	servingtest.WriteFiles(t, dir, "saved_model.pb", "assets.extra/deep/er/file")
	model := filepath.Join(dir, "saved_model.pb")
	seen := make(map[uint64]string)
	look := func(after string) {
		t.Helper()
		c, err := inspect(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		if before, twice := seen[c.Fingerprint]; twice {
			t.Errorf("no difference between %s and %s", before, after)
		}
		seen[c.Fingerprint] = after
	}
	look("the start")
	if again, _ := inspect(t, dir); seen[again.Fingerprint] == "" {
		t.Error("two looks at the same files differ")
	}
	servingtest.WriteFiles(t, dir, "assets.extra/deep/er/other")
	look("a new file")
	if err := os.Truncate(model, 3); err != nil {
		t.Fatal(err)
	}
	look("another size")
	info, _ := os.Stat(model)
	if err := os.Chtimes(model, info.ModTime(), info.ModTime().Add(1)); err != nil {
		t.Fatal(err)
	}
	look("another time")
	if err := os.Rename(model, model+"txt"); err != nil {
		t.Fatal(err)
	}
	look("another name")
	_, err := inspect(t, filepath.Join(dir, "gone"))
	servingtest.WantStatus(t, err, codes.Aborted, "its files are changing")
}

func TestInspectEndsOnCirclesOfLinks(t *testing.T) {
	dir := t.TempDir()
	servingtest.WriteFiles(t, dir, "saved_model.pb")
	if err := os.Symlink(dir, filepath.Join(dir, "again")); err != nil {
		t.Fatal(err)
	}
	if c, err := inspect(t, dir); err != nil || c.Missing != "" {
		t.Errorf("%+v %v", c, err)
	}
}
