package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shoal/configs"
	"shoal/internal/testlog"
)

// The stop's moments lie within --drain_timeout, whatever that is.
func TestStopTimes(t *testing.T) {
	now := time.Now()
	for _, drain := range []time.Duration{0, time.Second, 3 * time.Second, 30 * time.Second, time.Hour} {
		s := stopping(now, drain)
		if s.finished.Before(now) || s.answered.Before(s.finished) || s.over.Before(s.answered) || s.over.Sub(now) > max(drain, leastStop) {
			t.Errorf("%v: %v %v %v", drain, s.finished.Sub(now), s.answered.Sub(now), s.over.Sub(now))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		err := until(time.Now().Add(time.Minute), "a call that hangs", func(context.Context) error { <-release; return nil })
		if err == nil || err.Error() != "a call that hangs" {
			t.Error(err)
		}
		close(release)
	})
}

// Work that does not come back is left when its time is over, by name; work that does says how it ended.
func TestUntilOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := configs.Default()
		cfg.Lifecycle.DrainTimeout, cfg.Lifecycle.ShutdownDelay = time.Minute, time.Second
		ctx, cancel := context.WithCancel(t.Context())
		log, left, release := new(testlog.Log), new(underWay), make(chan struct{})
		time.AfterFunc(time.Hour, cancel)
		began := time.Now()
		err := untilOver(ctx, cfg, log.Logger(), left, func() error {
			defer left.begin("reading /mnt/models.config")()
			<-release
			return nil
		})
		if took := time.Since(began) - time.Hour; err != nil || took != time.Minute+time.Second || !strings.Contains(log.String(), "reading /mnt/models.config") {
			t.Errorf("%v after %v; %s", err, took, log)
		}
		close(release)
		if err := untilOver(ctx, cfg, log.Logger(), left, func() error { return io.EOF }); err != io.EOF {
			t.Error(err)
		}
	})
}
