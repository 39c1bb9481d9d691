package batcher

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestDeadlineInTheQueue(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		late, kept := column(1), column(2)
		late.Deadline = time.Now().Add(4 * ms)
		kept.Deadline = time.Now().Add(25 * ms)
		check := withArena(t, late)
		c, k := r.send(late), r.send(kept)
		<-c.done
		if status.Code(c.err) != codes.DeadlineExceeded || c.took != 4*ms {
			t.Error(c.err, c.took)
		}
		check()
		if s := r.Stats(); s.Entries != 1 || s.Rows != 1 {
			t.Errorf("it still counts: %+v", s)
		}
		<-k.done
		if k.err != nil || !slices.Equal(r.fake.runs[1].values, []int64{2}) {
			t.Error(k.err, r.fake.runs)
		}
	})
}

func TestDeadlineAtTheMomentOfTheBatch(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		for i := range int64(4) {
			e := column(i)
			e.Deadline = time.Now().Add(10 * ms) // just when the instance becomes idle
			r.send(e)
		}
		r.wg.Wait()
		r.wantSizes(1)
	})
}

func TestDeadlineDuringTheRun(t *testing.T) {
	for _, own := range []bool{true, false} {
		within(t, Config{}, 1, nil, slow, func(r *rig) {
			r.send(column(9))
			e, other := column(1), column(2)
			ctx, cancel := r.t.Context(), context.CancelFunc(func() {})
			if own {
				e.Deadline = time.Now().Add(15 * ms)
			} else {
				ctx, cancel = context.WithDeadline(ctx, time.Now().Add(15*ms))
			}
			defer cancel()
			check := withArena(t, e)
			c, o := r.sendCtx(ctx, e), r.send(other)
			<-c.done
			if status.Code(c.err) != codes.DeadlineExceeded || c.took != 15*ms || !strings.Contains(c.err.Error(), "being run") {
				t.Error(c.err, c.took)
			}
			<-o.done
			if o.err != nil || o.took != 20*ms {
				t.Error(o.err, o.took)
			}
			synctest.Wait()
			check()
			r.wantSizes(1, 2)
		})
	}
}

func TestCancel(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		running, stop := context.WithCancel(r.t.Context())
		a := r.sendCtx(running, column(0))
		waiting, leave := context.WithCancel(r.t.Context())
		b := r.sendCtx(waiting, column(1))
		c := r.send(column(2))
		stop()
		leave()
		<-a.done
		<-b.done
		if status.Code(a.err) != codes.Canceled || status.Code(b.err) != codes.Canceled || a.took != 0 || b.took != 0 {
			t.Error(a.err, a.took, b.err, b.took)
		}
		<-c.done
		if c.err != nil || !slices.Equal(r.fake.runs[1].values, []int64{2}) {
			t.Error(c.err, r.fake.runs)
		}
	})
}

func TestExpiredEntriesAreNotRunAgain(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.fails = failOn(3)
	}
	within(t, Config{}, 1, nil, setup, func(r *rig) {
		r.send(column(9))
		for i := range int64(4) {
			e := column(i)
			e.Deadline = time.Now().Add(25 * ms)
			r.send(e)
		}
		r.wg.Wait()
		time.Sleep(time.Second)
		r.wantSizes(1, 4, 2) // 0 and 1 were started before the deadline; 2 and 3 have nobody waiting
	})
}

func TestCancelledEntriesAreNotRunAgain(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.fails = failOn(3)
	}
	within(t, Config{}, 1, nil, setup, func(r *rig) {
		r.send(column(9))
		ctx, cancel := context.WithCancel(r.t.Context())
		for i := range int64(4) {
			r.sendCtx(ctx, column(i))
		}
		time.Sleep(15 * ms)
		cancel()
		r.wg.Wait()
		time.Sleep(time.Second)
		r.wantSizes(1, 4)
	})
}
