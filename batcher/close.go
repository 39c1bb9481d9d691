package batcher

import "time"

// Close rejects new entries, runs those that were accepted, and returns when the last run has ended.
func (b *Batcher) Close() {
	b.shutDown()
	<-b.ended
}

// CloseWithin is Close with a bound: it returns false if something still runs after that time. The executors are then in use, and
// the caller must not close them before Close has returned.
func (b *Batcher) CloseWithin(patience time.Duration) bool {
	b.shutDown()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-b.ended:
		return true
	case <-timer.C:
	}
	select { // both may be ready
	case <-b.ended:
		return true
	default:
		return false
	}
}

// shutDown begins the end, once. The goroutine that it starts ends with the last run.
func (b *Batcher) shutDown() {
	b.shutdown.Do(func() {
		b.mu.Lock()
		b.closing = true
		b.backlog.closing = true
		b.alarm.stop()
		var w *worker
		if b.backlog.entries > 0 && len(b.idle) > 0 && b.waking == 0 {
			w = b.wake()
		}
		b.mu.Unlock()
		b.start(w)
		go func() {
			b.alarm.rings.Wait()
			b.workers.Wait() // everything is due now, so no worker becomes idle before all is run
			b.mu.Lock()
			b.watch.stop()
			b.mu.Unlock()
			b.watch.rings.Wait()
			b.limit.leave(b.cfg.Model)
			for _, w := range b.all {
				w.turnstile.close()
			}
			close(b.ended)
		}()
	})
}
