package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/grpc"

	"shoal/benchmarks/limits"
	"shoal/loadtest/load"
)

// site is the server under load, with models and a configuration that change.
type site struct {
	dir     string // of the configuration, and of the models that change
	models  string // the test models
	rest    string // the URL, without a path
	grpc    string // host:port
	process *limits.Process
	conn    *grpc.ClientConn
	http    *http.Client
	tally   *tally
	others  []string               // models that do not change
	debug   string                 // URL of the goroutines
	stuck   atomic.Pointer[string] // what the server did when something did not come
}

// maxRequest is --max_request_bytes.
const maxRequest = 8 << 20

// requestTimeout is how long an answer may take before it counts as lost, on a machine that does much else besides.
const requestTimeout = time.Minute

func startSite(ctx context.Context, binary, models string) (s *site, err error) {
	s = &site{tally: newTally(), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: requestTimeout}}
	if s.models, err = filepath.Abs(models); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "shoal-soak-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.others = []string{"mlp", "stringlen", "multi", "fail_on_negative", "slow"}
	for _, name := range s.others {
		if _, err := os.Stat(filepath.Join(s.models, "test", name)); err != nil {
			return nil, fmt.Errorf("the test models are not there (make test-deps makes them): %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.models, "guesslang")); err == nil {
		s.others = append(s.others, "guesslang")
	}
	if err := errors.Join(s.addVersion(1), s.writeConfig(1, false)); err != nil {
		return nil, err
	}
	rest, rpc, debug := limits.FreeAddress(), limits.FreeAddress(), limits.FreeAddress()
	s.debug = "http://" + debug + "/debug/goroutines"
	s.rest, s.grpc = "http://"+rest, rpc
	s.process, err = limits.Start(ctx, exec.Command(binary, "serve", "--rest_api_port="+port(rest), "--port="+port(rpc),
		"--rest_address=127.0.0.1", "--grpc_address=127.0.0.1", "--model_config_file="+s.configFile(), "--model_config_file_poll_wait_seconds=1",
		fmt.Sprintf("--max_request_bytes=%d", maxRequest), "--debug_address="+debug), rest)
	if err != nil {
		return nil, err
	}
	s.conn, err = load.DialGRPC(rpc, nil)
	return s, errors.Join(err, s.waitReady(ctx))
}

func (s *site) close() {
	if s.process != nil {
		s.process.Stop()
	}
	os.RemoveAll(s.dir)
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// waitReady waits until every model has an available version.
func (s *site) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for s.code(ctx, "/readyz") != http.StatusOK {
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("the server does not get ready: %w\n%s", ctx.Err(), s.process.Log())
		}
	}
	return nil
}

// code is what a GET answers, 0 where nothing does.
func (s *site) code(ctx context.Context, path string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.rest+path, nil)
	if err != nil {
		return 0
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// keepGoroutines keeps what the server is doing now, for --log.
func (s *site) keepGoroutines() {
	resp, err := s.http.Get(s.debug)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if dump := string(text); err == nil {
		s.stuck.CompareAndSwap(nil, &dump)
	}
}

// read takes a reading of the server's memory and goroutines.
func (s *site) read(ctx context.Context, when string) reading {
	r := reading{when: when, rss: s.process.Memory(), goroutines: -1}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.rest+"/metrics", nil)
	if err != nil {
		return r
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if families, err := parser.TextToMetricFamilies(resp.Body); err == nil {
		for _, name := range []string{"go_goroutines", "go_goroutine_count"} {
			for _, m := range families[name].GetMetric() {
				r.goroutines = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return r
}

// pause waits, and is false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
