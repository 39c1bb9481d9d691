package telemetry

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"shoal/internal/testlog"
)

// TestRejectionsAreLoggedSparingly: the first at once, then the number of the others every ten seconds, and what is left at
// the end, for each model and reason on its own.
func TestRejectionsAreLoggedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Log
		r := rejections{log: slog.New(slog.NewJSONHandler(&log, nil))}
		type line struct {
			model, reason string
			requests      float64
		}
		want := func(when string, want ...line) {
			t.Helper()
			synctest.Wait()
			all := lines(t, &log)
			if len(all) != len(want) {
				t.Fatalf("%s: %v, want %v", when, all, want)
			}
			for i, l := range all {
				if got := (line{l["model"].(string), l["reason"].(string), l["requests"].(float64)}); got != want[i] || l["level"] != "WARN" || l["error"] != "why" {
					t.Errorf("%s: %v, want %v", when, l, want[i])
				}
			}
		}
		why := errors.New("why")
		for range 5 {
			r.add("m", "queue_full", why)
		}
		want("at once", line{"m", "queue_full", 1})
		r.add("other", "queue_full", why)
		r.add("m", "deadline", why)
		r.add("m", "cancelled", why) // the client's own doing
		want("others", line{"other", "queue_full", 1}, line{"m", "deadline", 1})
		time.Sleep(rejectionPause)
		want("after a pause", line{"m", "queue_full", 4})
		time.Sleep(rejectionPause - 1)
		r.add("m", "queue_full", why)
		want("before the next one")
		time.Sleep(time.Nanosecond)
		want("after it", line{"m", "queue_full", 1})
		time.Sleep(time.Hour)
		want("silence")
		r.add("m", "queue_full", why)
		r.add("m", "queue_full", why)
		want("again", line{"m", "queue_full", 1})
		r.close()
		want("at the end", line{"m", "queue_full", 1})
		r.add("m", "queue_full", why)
		want("after the end", line{"m", "queue_full", 1})
		r.close()
	})
}
