// Command soak does to a real server, all at once and for minutes, what clients and operators do to one in months: predictions
// by both APIs, new versions and configurations under load, malformed and oversized requests, connections that stall, slow
// readers, deadlines that pass. It checks every answer, and ends with a table, and with 1 where an answer was wrong or lost.
//
//	go run ./benchmarks/soak --shoal=bin/shoal --for=5m
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("shoal", "bin/shoal", "the server's program")
	models := flag.String("models", ".cache/models", "where the test models lie")
	length := flag.Duration("for", 5*time.Minute, "how long")
	log := flag.String("log", "", "keep the server's log in this file, and its goroutines when a version did not come")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := soak(ctx, *binary, *models, *length, *log); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// After a soak of some length the server is left alone, to see what it keeps.
const (
	rested = time.Minute
	rest   = 20 * time.Second
)

// errFailed is that the table has something that must not be.
var errFailed = errors.New("answers were wrong or lost, or the server did not end well")

func soak(ctx context.Context, binary, models string, length time.Duration, log string) error {
	s, err := startSite(ctx, binary, models)
	if err != nil {
		return err
	}
	defer s.close()
	work, err := s.prepare(ctx)
	if err != nil {
		return fmt.Errorf("before the load: %w\n%s", err, s.process.Log())
	}
	fmt.Fprintf(os.Stderr, "%v of everything at once, at %s and %s\n", length, s.rest, s.grpc)
	memory := []reading{s.read(ctx, "at the start")}
	began := time.Now()
	timed, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var actors sync.WaitGroup
	for _, a := range append(work, s.actors()...) {
		actors.Go(func() { a(timed) })
	}
	select {
	case <-time.After(length / 5):
		memory = append(memory, s.read(ctx, "after a fifth"))
	case <-timed.Done():
	case <-s.process.Done():
		s.tally.lose("the server ended: %s", s.process.Log())
		cancel()
	}
	ended := make(chan struct{})
	go func() { actors.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-s.process.Done():
		s.tally.lose("the server ended:\n%s", s.process.Log())
		cancel()
		<-ended
	}
	took := time.Since(began)
	memory = append(memory, s.read(context.WithoutCancel(ctx), "at the end"))
	s.conn.Close()
	s.http.CloseIdleConnections()
	if length >= rested && pause(ctx, rest) {
		memory = append(memory, s.read(ctx, fmt.Sprintf("after %v of rest", rest)))
		s.http.CloseIdleConnections()
	}
	s.process.Stop()
	if log != "" {
		text := s.process.Log()
		if dump := s.stuck.Load(); dump != nil {
			text += "\n" + *dump
		}
		if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if code := s.process.ExitCode(); code != 0 {
		s.tally.lose("the server ended with exit code %d:\n%s", code, tail(s.process.Log()))
	}
	if !s.tally.write(os.Stdout, took, memory) {
		return errFailed
	}
	return nil
}

// tail is the end of a log.
func tail(log string) string { return log[max(0, len(log)-4000):] }
