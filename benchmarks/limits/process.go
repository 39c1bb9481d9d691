package limits

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shoal/internal/testlog"
)

// Process is a server under measurement: a process of its own, whose processor time can be read.
type Process struct {
	cmd  *exec.Cmd
	REST string // host:port
	GRPC string // empty where it has none
	log  testlog.Log
	done chan struct{}
}

// StartShoal serves one model.
func StartShoal(ctx context.Context, binary, model, dir string, more ...string) (*Process, error) {
	p := &Process{REST: FreeAddress(), GRPC: FreeAddress()}
	args := []string{"serve", "--rest_api_port=" + port(p.REST), "--port=" + port(p.GRPC), "--model_name=" + model, "--model_base_path=" + dir}
	p.cmd = exec.Command(binary, append(args, more...)...)
	return p, p.start(ctx, "/readyz", http.StatusOK)
}

// Start runs any server that listens on address. It is ready when it accepts connections.
func Start(ctx context.Context, cmd *exec.Cmd, address string) (*Process, error) {
	p := &Process{cmd: cmd, REST: address}
	return p, p.start(ctx, "", 0)
}

// start waits until the server answers at path with the code, or accepts connections where there is no path.
func (p *Process) start(ctx context.Context, path string, code int) error {
	p.done = make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Stop reaches its workers
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for !answers(p.REST, path, code) {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once:\n%s", p.cmd.Path, p.log.String())
		case <-ctx.Done():
			p.Stop()
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

// Stop asks the process to end and waits for it.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// CPU is the processor time used so far.
func (p *Process) CPU() (time.Duration, error) {
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

// FreeAddress is one that nobody listens on.
func FreeAddress() string {
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

// Memory is what the process and those it started hold now, in bytes; what they share counts once for each.
func (p *Process) Memory() int64 {
	total := int64(0)
	for _, pid := range family(p.cmd.Process.Pid) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if fields := strings.Fields(string(raw)); err == nil && len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			total += pages * int64(os.Getpagesize())
		}
	}
	return total
}

// family is a process and its descendants.
func family(pid int) []int {
	all := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range tasks {
		raw, _ := os.ReadFile(file)
		for _, f := range strings.Fields(string(raw)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, family(child)...)
			}
		}
	}
	return all
}

// Log is what the process has printed so far.
func (p *Process) Log() string { return p.log.String() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is valid once the process has ended.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }
