// Package lines writes the lines of a log without waiting for who reads them. Lines go through a bounded buffer, which one
// goroutine writes out; while that waits for a pipe that nobody reads, the buffer fills, and further lines are dropped and counted.
package lines

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// DefaultBytes is the size of the buffer.
const DefaultBytes = 1 << 20

// Writer takes whole lines, a call of Write each. Write does not block and does not fail. It is safe for concurrent use.
type Writer struct {
	out    io.Writer
	most   int
	notice func(dropped int) []byte // a line that says so; nil: none is written

	mu       sync.Mutex
	waiting  []byte // lines that nobody has begun to write
	unsaid   int    // lines that were dropped since the last notice
	dropped  int64
	failing  bool          // the last write failed
	writing  bool          // the goroutine has lines in its hands
	arrived  chan struct{} // capacity 1: there is something to write
	emptied  *sync.Cond
	finished bool
}

// New starts to write to out; Close ends that. most is the size of the buffer in bytes; 0: DefaultBytes.
func New(out io.Writer, most int, notice func(dropped int) []byte) *Writer {
	if most <= 0 {
		most = DefaultBytes
	}
	w := &Writer{out: out, most: most, notice: notice, arrived: make(chan struct{}, 1)}
	w.emptied = sync.NewCond(&w.mu)
	go w.run()
	return w
}

// Write implements io.Writer for one line.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.finished:
		w.dropped++
		return len(line), nil
	case len(w.waiting)+len(line) > w.most:
		w.dropped++
		w.unsaid++
	default:
		w.waiting = append(w.waiting, line...)
	}
	select {
	case w.arrived <- struct{}{}:
	default:
	}
	return len(line), nil
}

// Dropped is how many lines were lost: those for which there was no room, and those that could not be written.
func (w *Writer) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// run writes what is waiting, all of it at once, until Close.
func (w *Writer) run() {
	var spare []byte
	for range w.arrived {
		for {
			lines, told, ok := w.take(spare)
			if !ok {
				break
			}
			text := lines
			if told > 0 && w.notice != nil {
				text = append(lines, w.notice(told)...)
			}
			_, err := w.out.Write(text)
			w.wrote(bytes.Count(lines, []byte("\n")), told, err)
			spare = lines[:0]
		}
	}
}

// take hands over what is waiting, and how many lines were dropped after it, and leaves spare in its place.
func (w *Writer) take(spare []byte) (lines []byte, unsaid int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 && (w.unsaid == 0 || w.failing) {
		return nil, 0, false
	}
	lines, unsaid = w.waiting, w.unsaid
	w.waiting, w.unsaid, w.writing = spare, 0, true
	return lines, unsaid, true
}

// wrote notes the end of a write. What failed is lost, and told of when a later write does not fail.
func (w *Writer) wrote(lines, unsaid int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing = err != nil; w.failing {
		w.dropped += int64(lines)
		w.unsaid += lines + unsaid
	}
	w.writing = false
	w.emptied.Broadcast()
}

// Flush waits until everything before it is written, at most d. It says whether that is so.
func (w *Writer) Flush(d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	over := false
	timer := time.AfterFunc(d, func() {
		w.mu.Lock()
		over = true
		w.mu.Unlock()
		w.emptied.Broadcast()
	})
	defer timer.Stop()
	for (len(w.waiting) > 0 || w.writing) && !over {
		w.emptied.Wait()
	}
	return len(w.waiting) == 0 && !w.writing
}

// Close flushes for at most d and takes no further lines. A write that hangs is left alone.
func (w *Writer) Close(d time.Duration) {
	w.Flush(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.finished {
		w.finished = true
		close(w.arrived)
	}
}
