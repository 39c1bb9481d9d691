package manager

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"shoal/engine/tensorflow/savedmodel"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/serving/source"
)

// inDirectory is inBubble with real files. Their times are real too, and so lie far ahead of the bubble's clock.
func inDirectory(t *testing.T, change func(*Options), scene func(t *testing.T, s *stage, base string)) {
	base := t.TempDir()
	inBubble(t, func(o *Options) {
		o.Source = &source.FileSystem{Layout: savedmodel.Layout{}, Logger: o.Logger}
		if change != nil {
			change(o)
		}
	}, func(t *testing.T, s *stage) { scene(t, s, base) })
}

func TestAVersionIsNotLoadedWhileItIsCopied(t *testing.T) {
	inDirectory(t, nil, func(t *testing.T, s *stage, base string) {
		servingtest.WriteFiles(t, base, "1/saved_model.pb")
		c := serving.ModelConfig{Name: "m", BasePath: base}
		s.config(c)
		s.pass(settleTime)
		s.want("m", "1 AVAILABLE")

		dir := filepath.Join(base, "2")
		for _, step := range [][]string{{}, {"assets/vocabulary"}, {"saved_model.pb", "variables/"}, {"variables/variables.data-00000-of-00001.part"}, {"variables/variables.data-00000-of-00001"}} {
			servingtest.WriteFiles(t, dir, append(step, "./")...)
			s.pass(3 * time.Second)
			s.want("m", "1 AVAILABLE")
		}
		servingtest.WriteFiles(t, dir, "variables/variables.index")
		if err := os.Remove(filepath.Join(dir, "variables/variables.data-00000-of-00001.part")); err != nil {
			t.Fatal(err)
		}
		s.pass(1250 * time.Millisecond)
		s.want("m", "2 AVAILABLE, 1 END")
		if n := s.puppet.attempts(dir); n != 1 {
			t.Errorf("loaded %d times", n)
		}
	})
}

func TestAFileThatGrowsIsWaitedFor(t *testing.T) {
	inDirectory(t, nil, func(t *testing.T, s *stage, base string) {
		servingtest.WriteFiles(t, base, "1/saved_model.pb")
		f, err := os.OpenFile(filepath.Join(base, "1/saved_model.pb"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s.config(serving.ModelConfig{Name: "m", BasePath: base})
		for range 100 {
			if _, err := f.WriteString("more"); err != nil {
				t.Fatal(err)
			}
			s.pass(settleTime / 2)
		}
		s.want("m", errNoVersions("m").Error())
		s.pass(2 * settleTime)
		s.want("m", "1 AVAILABLE")
	})
}

func TestAModelWithAnEmptyDirectoryOfVariablesIsTaken(t *testing.T) {
	for _, poll := range []time.Duration{0, time.Second} {
		inDirectory(t, func(o *Options) { o.PollWait = poll }, func(t *testing.T, s *stage, base string) {
			servingtest.WriteFiles(t, base, "1/saved_model.pb", "1/variables/")
			s.config(serving.ModelConfig{Name: "m", BasePath: base})
			s.pass(patience + time.Second)
			s.want("m", "1 AVAILABLE")
		})
	}
}

func TestABasePathThatComesLater(t *testing.T) {
	inDirectory(t, nil, func(t *testing.T, s *stage, base string) {
		base = filepath.Join(base, "later")
		s.config(serving.ModelConfig{Name: "m", BasePath: base})
		s.wantReason("model m: base path " + base + " does not exist")
		s.pass(time.Minute)
		servingtest.WriteFiles(t, base, "5/saved_model.pb", "6/")
		s.pass(time.Second + settleTime)
		s.want("m", "5 AVAILABLE")
		s.wantReason("")
	})
}

func TestAVersionThatIsServedIsNotLookedInto(t *testing.T) {
	inDirectory(t, nil, func(t *testing.T, s *stage, base string) {
		servingtest.WriteFiles(t, base, "1/saved_model.pb")
		s.config(serving.ModelConfig{Name: "m", BasePath: base})
		s.pass(time.Second)
		if err := os.Remove(filepath.Join(base, "1/saved_model.pb")); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		s.want("m", "1 AVAILABLE")
		if err := os.Remove(filepath.Join(base, "1")); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
		s.want("m", "1 END")
		if open := s.puppet.open(); !slices.Equal(open, []string{}) {
			t.Errorf("open: %v", open)
		}
	})
}
