package predictionlog

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"shoal/serving/predictionlog/tfrecord"
)

// bufferBytes is how much is written at once when records come quickly.
const bufferBytes = 256 << 10

// sink is the queue of one prefix and the goroutine that writes it.
type sink struct {
	opts  Options
	log   *slog.Logger
	files files
	wake  chan struct{} // of capacity 1: records were queued, or the sink is closed
	done  chan struct{}
	err   error // of closing the files; read it after done

	mu      sync.Mutex
	queue   [][]byte
	records int // room taken: queued, about to be queued, or being written
	bytes   int
	closed  bool

	dropped, lost notice // not queued; queued and not written

	// The writer's own.
	buffer   []byte // whole records, framed
	buffered int
}

// openSink makes the prefix's folder, so that a wrong prefix is known before there are requests, and starts the writer.
func openSink(stem string, o Options) (*sink, error) {
	if err := os.MkdirAll(filepath.Dir(stem), 0o755); err != nil {
		return nil, err
	}
	s := newSink(stem, o)
	go s.write()
	return s, nil
}

func newSink(stem string, o Options) *sink {
	log := o.Logger.With(slog.String("files", stem+"*"))
	return &sink{opts: o, log: log, files: files{stem: stem, limit: o.FileBytes, keep: o.Files, log: log},
		wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// add queues a record, serialised. Room is taken before, so that an overloaded log costs its requests next to nothing.
func (s *sink) add(record proto.Message) codes.Code {
	size := proto.Size(record)
	if c := s.reserve(size); c == codes.ResourceExhausted {
		if n := s.dropped.add(1); n > 0 {
			s.log.Warn("requests were not logged: they come faster than the disk takes them (lower sampling_config.sampling_rate)", slog.Int("requests", n))
		}
		return c
	} else if c != codes.OK {
		return c
	}
	data, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(make([]byte, 0, size), record)
	if err != nil {
		s.release(size)
		s.log.Debug("a request cannot be recorded", slog.Any("error", err))
		return codes.Internal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return codes.Unavailable
	}
	s.queue = append(s.queue, data)
	nudge(s.wake)
	return codes.OK
}

func (s *sink) reserve(size int) codes.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return codes.Unavailable
	case size > maxRecordBytes:
		return codes.Internal
	case s.records >= s.opts.QueueRecords, s.records > 0 && s.bytes+size > s.opts.QueueBytes:
		return codes.ResourceExhausted
	}
	s.records++
	s.bytes += size
	return codes.OK
}

func (s *sink) release(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records--
	s.bytes -= size
}

// close has everything written that was queued, and waits for it.
func (s *sink) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	nudge(s.wake)
	<-s.done
	return s.err
}

// write is the writer: it collects records in the buffer and writes them when that is full or the oldest has waited long
// enough.
func (s *sink) write() {
	defer close(s.done)
	late := time.NewTimer(s.opts.FlushInterval)
	late.Stop()
	for {
		select {
		case <-late.C:
			s.flush()
		case <-s.wake:
			records, closed := s.take()
			for i, r := range records {
				if len(s.buffer) == 0 {
					late.Reset(s.opts.FlushInterval)
				}
				s.buffer = tfrecord.Append(s.buffer, r)
				s.buffered++
				if len(s.buffer) >= bufferBytes {
					s.flush()
				}
				records[i] = nil
				s.release(len(r))
			}
			if closed {
				s.flush()
				late.Stop()
				s.err = s.files.close()
				s.lastWords()
				return
			}
		}
	}
}

func (s *sink) take() (records [][]byte, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	records, s.queue = s.queue, nil
	return records, s.closed
}

// flush writes the buffer. What cannot be written is lost: there is nowhere else to put it.
func (s *sink) flush() {
	if len(s.buffer) == 0 {
		return
	}
	if err := s.files.write(s.buffer); err != nil {
		if n := s.lost.add(s.buffered); n > 0 {
			s.log.Error("logged requests were lost: the file cannot be written", slog.Int("requests", n), slog.Any("error", err))
		}
	}
	s.buffer, s.buffered = s.buffer[:0], 0
	if cap(s.buffer) > 4*bufferBytes { // a large record is not to hold its memory for ever
		s.buffer = nil
	}
}

// lastWords tells what was counted since it was last told.
func (s *sink) lastWords() {
	if n := s.dropped.rest() + s.lost.rest(); n > 0 {
		s.log.Warn("more requests were not logged", slog.Int("requests", n))
	}
}

// nudge wakes the writer; one that waits to be seen is enough.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
