package limits

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoCompiler is returned by Chars where there is no C++ compiler.
var ErrNoCompiler = errors.New("g++ is not installed")

// Chars compiles and runs the C++ side on the sample; it gives nanoseconds per value. source is testdata/chars.cc.
func (s *Sample) Chars(source string) (from, to float64, err error) {
	compiler, err := exec.LookPath("g++")
	if err != nil {
		return 0, 0, ErrNoCompiler
	}
	dir, err := os.MkdirTemp("", "chars-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	program, body := filepath.Join(dir, "chars"), filepath.Join(dir, "body.json")
	if out, err := exec.Command(compiler, "-O3", "-march=native", "-std=c++17", "-o", program, source).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	if err := os.WriteFile(body, s.Body, 0o600); err != nil {
		return 0, 0, err
	}
	out, err := exec.Command(program, body).Output()
	if err == nil {
		_, err = fmt.Sscanf(strings.TrimSpace(string(out)), "from_chars %f\nto_chars %f", &from, &to)
	}
	return from, to, err
}
