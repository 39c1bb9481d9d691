package batcher

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestPolicies(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	five := afterTimeout(5 * ms)
	for _, c := range []struct {
		name   string
		policy policy
		view   view
		want   decision
	}{
		{"idle, one row", whenIdle, view{now: start, rows: 1}, decision{rows: 8, reason: ReasonIdle}},
		{"idle, full", whenIdle, view{now: start, rows: 9, full: true}, decision{rows: 8, reason: ReasonFull}},
		{"idle, closing", whenIdle, view{now: start, rows: 1, closing: true}, decision{rows: 8, reason: ReasonClosing}},
		{"timeout, fresh", five, view{now: start, rows: 1}, decision{until: at(5 * ms)}},
		{"timeout, a moment before", five, view{now: at(5*ms - 1), rows: 7}, decision{until: at(5 * ms)}},
		{"timeout, at the moment", five, view{now: at(5 * ms), rows: 1}, decision{rows: 8, reason: ReasonTimeout}},
		{"timeout, full", five, view{now: start, rows: 8, full: true}, decision{rows: 8, reason: ReasonFull}},
		{"timeout, closing", five, view{now: start, rows: 1, closing: true}, decision{rows: 8, reason: ReasonClosing}},
	} {
		c.view.oldest, c.view.maxRows = start, 8
		if got := c.policy(c.view); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSpeed(t *testing.T) {
	var s speed
	if got := s.latency(4); got != 0 {
		t.Errorf("nothing measured: %v", got)
	}
	s.observe(8, 16*ms)
	s.observe(128, 100*ms)
	for rows, want := range map[int]time.Duration{8: 16 * ms, 68: 58 * ms, 128: 100 * ms, 248: 184 * ms} {
		if got := s.latency(rows); got != want {
			t.Errorf("%d rows: %v, want %v", rows, got, want)
		}
	}
	if got := s.latency(1); got <= 2*ms || got >= 16*ms {
		t.Errorf("one row: %v", got)
	}
	if got := s.drain(257, 128, 2); got != 150*ms {
		t.Errorf("drain %v", got)
	}
	for range 100 {
		s.observe(8, 8*ms)
	}
	if got := s.latency(8); got < 8*ms || got > 8*ms+ms/100 {
		t.Errorf("moving average %v", got)
	}
}

func TestConfigDefaults(t *testing.T) {
	var c Config
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.MaxExecutionBatchSize != c.MaxBatchSize || c.MaxEnqueuedBatches < 1 || c.MaxQueuedRows < 1 || c.MaxTaskRows != 0 {
		t.Errorf("%+v", c)
	}
	huge := Config{MaxBatchSize: 10 * DefaultMaxQueuedRows}
	huge.EnsureDefaults()
	if err := huge.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigListsEveryFault(t *testing.T) {
	c := Config{
		MaxBatchSize: 8, MaxExecutionBatchSize: 16, BatchTimeout: -time.Second, MaxEnqueuedBatches: -1,
		AllowedBatchSizes: []int{4, 4}, MaxTaskRows: 32, MaxQueuedRows: -2, MaxQueues: -3,
	}
	_, err := New(c, nil, nil, nil)
	if status.Code(err) != codes.InvalidArgument {
		t.Fatal(err)
	}
	for _, want := range []string{
		"max_execution_batch_size must not be larger than max_batch_size", "batch_timeout_micros must be", "max_enqueued_batches must be",
		"allowed_batch_sizes must be positive and increasing", "enable_large_batch_splitting", "max_queued_rows must", "max_queues must",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if _, err := New(Config{}, nil, nil, nil); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no executors: %v", err)
	}
}

func TestAlarmGoesOffAtTheEarliestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		start, rang := time.Now(), []time.Duration(nil)
		var a alarm
		a.ring = func() {
			mu.Lock()
			defer mu.Unlock()
			rang = append(rang, time.Since(start))
			a.at = time.Time{}
			a.rings.Done()
		}
		set := func(at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			a.set(at)
		}
		for _, after := range []time.Duration{9 * ms, 5 * ms, 7 * ms} {
			set(start.Add(after))
		}
		set(time.Time{})
		time.Sleep(20 * ms)
		set(start.Add(30 * ms))
		time.Sleep(20 * ms)
		set(start.Add(time.Hour))
		mu.Lock()
		a.stop()
		mu.Unlock()
		a.rings.Wait()
		if !slices.Equal(rang, []time.Duration{5 * ms, 30 * ms}) || time.Since(start) != 40*ms {
			t.Errorf("rang at %v; %v", rang, time.Since(start))
		}
	})
}
