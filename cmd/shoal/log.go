package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shoal/configs"
	"shoal/internal/lines"
)

// flushTime is how long the end of the process waits for who reads the log.
const flushTime = time.Second

// newLog makes the log, which goes to w and never waits for who reads that, and its level, which can be changed. Close the lines at the
// end.
func newLog(cfg *configs.Server, w io.Writer) (*slog.Logger, *slog.LevelVar, *lines.Writer) {
	level := new(slog.LevelVar)
	level.Set(cfg.Monitoring.LogLevel)
	if f, ok := w.(*os.File); ok && f == os.Stderr {
		signal.Ignore(syscall.SIGPIPE) // who reads the log may leave; his end is not the server's
		w = stderrOfItsOwn(f)
	}
	out := lines.New(w, int(cfg.Monitoring.LogBuffer), func(dropped int) []byte {
		var line bytes.Buffer
		newLogger(cfg, level, &line).Warn("log lines were dropped: nobody read them in time", slog.Int("lines", dropped))
		return line.Bytes()
	})
	return newLogger(cfg, level, out), level, out
}

func newLogger(cfg *configs.Server, level slog.Leveler, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Monitoring.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
