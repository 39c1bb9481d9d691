package telemetry

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/trace"
	"sync"
	"time"

	"shoal/batcher"
)

// SlowBatches says which batches leave a Go trace, and where.
type SlowBatches struct {
	Budget time.Duration // a batch that runs longer leaves one; 0: none does, and nothing is recorded
	Dir    string        // for the files; it is made where there is none
	Files  int           // that are kept, those of earlier runs included; the oldest go
}

const (
	// flightWindow is the least that is looked back; a batch of twice its budget is seen whole.
	flightWindow = 5 * time.Second
	// flightBytes is what the recorder may hold: some seconds of a busy server. Go takes it as a hint, so that files have a
	// bound of their own.
	flightBytes, maxFlightFile = 16 << 20, 64 << 20
	// flightPause is the time from one file to the next.
	flightPause = 30 * time.Second

	flightPrefix, flightSuffix = "slow-batch-", ".trace"
)

// flightRecorder keeps the last seconds of what Go's scheduler did in memory, and writes them to a file when a batch was
// slow: `go tool trace FILE` shows who waited for what. A nil one does nothing.
type flightRecorder struct {
	opt      SlowBatches
	log      *slog.Logger
	recorder *trace.FlightRecorder
	slow     chan slowBatch // of capacity 1: a batch never waits
	quit     chan struct{}
	stop     sync.Once
	worker   sync.WaitGroup

	mu   sync.Mutex
	next time.Time // before it no file is written
}

type slowBatch struct {
	model     string
	version   int64
	signature string
	rows      int
	run       time.Duration
}

// newFlightRecorder begins to record; it returns nil where there is no budget.
func newFlightRecorder(o SlowBatches, log *slog.Logger) (*flightRecorder, error) {
	if o.Budget <= 0 {
		return nil, nil
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("traces of slow batches: %w", err)
	}
	f := &flightRecorder{opt: o, log: log, slow: make(chan slowBatch, 1), quit: make(chan struct{})}
	f.recorder = trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: max(2*o.Budget, flightWindow), MaxBytes: flightBytes})
	if err := f.recorder.Start(); err != nil {
		return nil, fmt.Errorf("traces of slow batches: %w", err)
	}
	f.worker.Go(f.work)
	return f, nil
}

// batchDone never waits: the file is written by a goroutine of the recorder's own.
func (f *flightRecorder) batchDone(model string, version int64, b *batcher.BatchInfo) {
	if f == nil || b.Run <= f.opt.Budget || !f.due(time.Now()) {
		return
	}
	select {
	case f.slow <- slowBatch{model, version, b.Signature.Name, b.Rows, b.Run}:
	default:
	}
}

// due reports whether a file may be written now, and if so has the next one wait.
func (f *flightRecorder) due(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.next) {
		return false
	}
	f.next = now.Add(flightPause)
	return true
}

// close stops recording and waits for a file that is being written.
func (f *flightRecorder) close() {
	if f == nil {
		return
	}
	f.stop.Do(func() {
		close(f.quit)
		f.worker.Wait()
		f.recorder.Stop()
	})
}

func (f *flightRecorder) work() {
	for {
		select {
		case <-f.quit:
			return
		case b := <-f.slow:
			name := filepath.Join(f.opt.Dir, flightPrefix+time.Now().UTC().Format("20060102T150405.000Z")+flightSuffix)
			attrs := []any{slog.String("model", b.model), slog.Int64("version", b.version), slog.String("signature", b.signature),
				slog.Int("rows", b.rows), slog.Duration("run", b.run), slog.String("file", name)}
			if err := f.write(name); err != nil {
				f.log.Error("slow batch, but its trace cannot be written", append(attrs, slog.Any("error", err))...)
				continue
			}
			f.log.Warn("slow batch: go tool trace shows what happened", attrs...)
			f.removeOldest()
		}
	}
}

// write makes the file appear complete or not at all.
func (f *flightRecorder) write(name string) (err error) {
	part := name + ".part"
	file, err := os.Create(part)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	_, err = f.recorder.WriteTo(&bounded{file, maxFlightFile})
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(part, name)
}

// bounded is a writer that fails rather than write more than left bytes: half a trace is of no use.
type bounded struct {
	io.Writer
	left int
}

func (w *bounded) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, fmt.Errorf("the trace is larger than %d MiB", maxFlightFile>>20)
	}
	return w.Writer.Write(p)
}

// removeOldest leaves as many files as are to be kept. Their names sort by time.
func (f *flightRecorder) removeOldest() {
	names, err := filepath.Glob(filepath.Join(f.opt.Dir, flightPrefix+"*"+flightSuffix)) // sorted
	for ; err == nil && len(names) > max(1, f.opt.Files); names = names[1:] {
		err = os.Remove(names[0])
	}
	if err != nil {
		f.log.Error("old traces of slow batches cannot be removed", slog.Any("error", err))
	}
}
