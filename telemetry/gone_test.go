package telemetry

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/grpc/codes"

	"shoal/serving"
)

// The series of a model that is gone are there for the grace, and then on no page; those of one that is still configured, or
// comes back, stay.
func TestModelsThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := newTelemetry(t)
		core := &goneCore{configured: map[string]bool{"kept": true, "gone": true, "back": true}}
		tel.Watch(core)
		for _, m := range []string{"kept", "gone", "back"} {
			live(tel, m, 1)
			tel.Done(predict(m, 1, nil))
			tel.SavedModelLoaded(m, 1, "/models/"+m, time.Second, nil)
			tel.WarmedUp(m, 1, "/models/"+m, 3, time.Second, nil)
			tel.RequestLogged(m, codes.OK)
			over(tel, m, 1)
		}
		names := func() string {
			_ = gather(t, tel.own) // a reading
			both := gather(t, tel.own) + gather(t, tel.foreign)
			var found []string
			for _, m := range []string{"kept", "gone", "back"} {
				if strings.Contains(both, `"`+m+`"`) || strings.Contains(both, "/models/"+m) {
					found = append(found, m)
				}
			}
			return strings.Join(found, " ")
		}
		if got := names(); got != "kept gone back" {
			t.Error(got)
		}
		core.configured["gone"], core.configured["back"] = false, false
		names()
		time.Sleep(goneGrace / 2)
		if got := names(); got != "kept gone back" {
			t.Error(got)
		}
		core.configured["back"] = true
		names()
		time.Sleep(goneGrace)
		if got := names(); got != "kept back" {
			t.Error(got)
		}
		// It may come again, and counts from nothing.
		core.configured["gone"] = true
		live(tel, "gone", 2)
		tel.Done(predict("gone", 2, nil))
		if got := names(); got != "kept gone back" {
			t.Error(got)
		}
	})
}

// goneCore says which models are configured.
type goneCore struct {
	serving.Core
	configured map[string]bool
}

func (c *goneCore) Ready() (bool, []string) { return true, nil }

func (c *goneCore) Models() (list []serving.ModelStatus) {
	for name, is := range c.configured {
		list = append(list, serving.ModelStatus{Name: name, Configured: is})
	}
	return list
}

// gather is a page as text.
func gather(t *testing.T, from prometheus.Gatherer) string {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&page, f); err != nil {
			t.Fatal(err)
		}
	}
	return page.String()
}
