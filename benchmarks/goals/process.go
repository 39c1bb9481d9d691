package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shoal/benchmarks/echo"
)

// process is a server under measurement: a process of its own, whose processor time can be read.
type process struct {
	cmd  *exec.Cmd
	rest string // host:port
	grpc string
	log  bytes.Buffer
	done chan struct{}
}

// startShoal serves one model.
func startShoal(ctx context.Context, binary, model, dir string, more ...string) (*process, error) {
	p := &process{rest: freeAddress(), grpc: freeAddress()}
	args := []string{"serve", "--rest_api_port=" + port(p.rest), "--port=" + port(p.grpc), "--model_name=" + model, "--model_base_path=" + dir}
	p.cmd = exec.Command(binary, append(args, more...)...)
	return p, p.start(ctx, "/readyz", http.StatusOK)
}

// The comparison servers are this program again, called with one of these words.
const (
	roleEcho  = "serve-echo"
	roleFloor = "serve-floor"
)

// startOther runs this program as a comparison server that answers with as many bytes as answer has.
func startOther(ctx context.Context, role string, answer []byte) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{rest: freeAddress()}
	p.cmd = exec.Command(self, role, p.rest)
	p.cmd.Stdin = bytes.NewReader(answer)
	return p, p.start(ctx, "", 0)
}

// serveOther is the other side of startOther.
func serveOther(role, address string, answer []byte) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if role == roleFloor {
		return echo.Floor(l, answer)
	}
	return echo.New(answer, 64<<20).Serve(l)
}

// start waits until the server answers at path with the code, or accepts connections where there is no path.
func (p *process) start(ctx context.Context, path string, code int) error {
	p.done = make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for !answers(p.rest, path, code) {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once:\n%s", p.cmd.Path, p.log.String())
		case <-ctx.Done():
			p.stop()
			return fmt.Errorf("%s is not ready: %w\n%s", p.cmd.Path, ctx.Err(), p.log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func answers(address, path string, code int) bool {
	if path == "" {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	}
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == code
}

// stop asks the process to end and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// cpu is the processor time used so far.
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15 of the whole line.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc has an unknown form")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	return time.Duration(user+system) * time.Second / ticksPerSecond, errors.Join(err1, err2)
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}
