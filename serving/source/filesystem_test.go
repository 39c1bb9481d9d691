package source

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"shoal/engine/tensorflow/savedmodel"
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
	got, err := disk(nil).Versions(t.Context(), base)
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
	source := disk(log.Logger())
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
	_, err := disk(nil).Versions(t.Context(), base)
	servingtest.WantStatus(t, err, codes.NotFound, "base path "+base+" does not exist")

	servingtest.WriteFiles(t, filepath.Dir(base), "file")
	file := filepath.Join(filepath.Dir(base), "file")
	_, err = disk(nil).Versions(t.Context(), file)
	servingtest.WantStatus(t, err, codes.Unavailable, "base path "+file+" cannot be read: not a directory")
}

// disk finds SavedModels.
func disk(log *slog.Logger) *FileSystem { return &FileSystem{Layout: savedmodel.Layout{}, Logger: log} }

func inspect(t *testing.T, dir string) (Contents, error) {
	return disk(nil).Inspect(t.Context(), Version{Number: 1, Location: dir})
}

// What is missing is the layout's to say, of the names in all directories; those of directories end in a slash.
func TestInspectAsksTheLayout(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		add      string
		hasModel bool
		missing  string
	}{
		{"assets/saved_model.pb", false, "saved_model.pb"},
		{"saved_model.pb", true, ""},
		{"variables/", true, "variables/variables.index"},
		{"variables/variables.index", true, "variables/variables.data-00000-of-00001"},
		{"variables/variables.data-00000-of-00001", true, ""},
	} {
		servingtest.WriteFiles(t, dir, c.add)
		if got, err := inspect(t, dir); err != nil || got.HasModel != c.hasModel || got.Missing != c.missing {
			t.Errorf("after %s: %+v, %v", c.add, got, err)
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
