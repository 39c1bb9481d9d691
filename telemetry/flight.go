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

// SlowBatches says for which batches a Go trace is written, and where.
type SlowBatches struct {
	Budget time.Duration // a trace is written for a batch that runs longer; 0: none is, and nothing is recorded
	Dir    string        // for the files; it is made if it does not exist
	Files  int           // number of files kept, including those of earlier runs; the oldest are removed
}

const (
	// flightWindow is the least time that is recorded. A batch that runs up to twice its budget is recorded completely.
	flightWindow = 5 * time.Second
	// flightBytes is the memory of the recorder: some seconds of a busy server. Go treats it as a hint, so files have a separate
	// bound.
	flightBytes, maxFlightFile = 16 << 20, 64 << 20
	// flightPause is the least time between two files.
	flightPause = 30 * time.Second

	flightPrefix, flightSuffix = "slow-batch-", ".trace"
)

// flightRecorder keeps the last seconds of the Go scheduler's trace in memory, and writes them to a file if a batch was slow. `go
// tool trace FILE` then shows which goroutine waited for what. A nil recorder does nothing.
type flightRecorder struct {
	opt      SlowBatches
	log      *slog.Logger
	recorder *trace.FlightRecorder
	slow     chan slowBatch // of capacity 1, so that a batch never waits
	quit     chan struct{}
	stop     sync.Once
	worker   sync.WaitGroup

	mu   sync.Mutex
	next time.Time // no file is written before
}

type slowBatch struct {
	model     string
	version   int64
	signature string
	rows      int
	run       time.Duration
}

// newFlightRecorder begins to record. It returns nil if there is no budget.
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

// batchDone never waits: a goroutine of the recorder writes the file.
func (f *flightRecorder) batchDone(model string, version int64, b *batcher.BatchInfo) {
	if f == nil || b.Run <= f.opt.Budget || !f.due(time.Now()) {
		return
	}
	select {
	case f.slow <- slowBatch{model, version, b.Signature.Name, b.Rows, b.Run}:
	default:
	}
}

// due reports whether a file may be written now, and if so begins the pause until the next one.
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

// write writes the file under another name and renames it, so that there is no incomplete file.
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

// bounded is a writer that fails if more than left bytes are written, because half a trace is useless.
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

// removeOldest removes the oldest files, whose names sort by time, until as many are left as are kept.
func (f *flightRecorder) removeOldest() {
	names, err := filepath.Glob(filepath.Join(f.opt.Dir, flightPrefix+"*"+flightSuffix)) // sorted
	for ; err == nil && len(names) > max(1, f.opt.Files); names = names[1:] {
		err = os.Remove(names[0])
	}
	if err != nil {
		f.log.Error("old traces of slow batches cannot be removed", slog.Any("error", err))
	}
}
