// Package testlog is a log for tests, read while it is written.
package testlog

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Log collects what is written to it. It is ready to use, and safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Read takes from the front, for those who look at what is new.
func (l *Log) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Read(p)
}

// String is everything so far that was not read.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Lines are those with this text in them.
func (l *Log) Lines(with string) (found []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, with) {
			found = append(found, line)
		}
	}
	return found
}

// Logger writes to the log as text.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
