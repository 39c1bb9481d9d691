package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"shoal/configs"
)

const (
	// leastStop is what stopping may take at least: --drain_timeout=0 cuts requests off, which takes a moment too.
	leastStop = 2 * time.Second
	// mostSettling is the last part of --drain_timeout: requests that were not finished are cancelled and answered, models and
	// logs are closed. It is a fifth of a short time.
	mostSettling = 3 * time.Second
	// sendTime is how long a collector of metrics and traces may take at the end.
	sendTime = 2 * time.Second
)

// stopTimes are the moments of a stop.
type stopTimes struct {
	finished time.Time // requests have been finished, or are cancelled
	answered time.Time // those have been answered, or are cut off
	over     time.Time // the process ends
}

// stopping plans a stop that begins now.
func stopping(now time.Time, drain time.Duration) stopTimes {
	total := max(drain, leastStop)
	total -= total / 50 // untilOver comes after it
	settling := min(total/5, mostSettling)
	return stopTimes{
		finished: now.Add(min(drain, total-settling)),
		answered: now.Add(total - settling/2),
		over:     now.Add(total),
	}
}

// until gives work up at a time, when its context ends too. The error is then what it is called.
func until(at time.Time, what string, work func(context.Context) error) error {
	ctx, cancel := context.WithDeadline(context.Background(), at)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- work(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // it was ready too, or ends with its context
		return err
	case <-time.After(100 * time.Millisecond):
		return errors.New(what)
	}
}

// underWay knows by name what goes on in the background, for the line that says what was left.
type underWay struct {
	mu    sync.Mutex
	names map[string]int
}

// begin notes it; call the result at its end.
func (u *underWay) begin(what string) (end func()) {
	u.add(what, 1)
	return func() { u.add(what, -1) }
}

func (u *underWay) add(what string, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.names == nil {
		u.names = make(map[string]int)
	}
	if u.names[what] += n; u.names[what] == 0 {
		delete(u.names, what)
	}
}

func (u *underWay) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(u.names)), ", ")
}

// untilOver does the work, and gives it up when it has not come back although it was told to stop: a system call that hangs, or a
// run that never ends, cannot be ended, but with the process.
func untilOver(ctx context.Context, cfg *configs.Server, log *slog.Logger, left *underWay, work func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(cfg.Lifecycle.ShutdownDelay + max(cfg.Lifecycle.DrainTimeout, leastStop))
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		log.Warn("the time for stopping is over: the process ends with work left", slog.String("left", left.String()))
		return nil
	}
}

// keepUpAt takes the signals that end other programs and not this one: SIGHUP comes when a terminal closes, and from scripts that
// want a configuration read again.
func keepUpAt(cfg *configs.Server, log *slog.Logger) (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	advice := "give --model_config_file_poll_wait_seconds"
	if cfg.Models.ConfigPoll > 0 {
		advice = fmt.Sprintf("the configuration file is read every %v anyway", cfg.Models.ConfigPoll)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for range hup {
			log.Info("SIGHUP does nothing: " + advice)
		}
	})
	return func() {
		signal.Stop(hup)
		close(hup)
		done.Wait()
	}
}
