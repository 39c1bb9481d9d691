// Package openvino runs models with OpenVINO on the CPU: signatures of TensorFlow models. It stands on
// OpenVINO's C API through a thin layer of cgo. The library is opened when the first model is read, so that a program without it
// runs as long as nobody asks for this engine.
package openvino

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "run.h"
*/
import "C"

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Release is the version of OpenVINO that is tested, as PyPI names it.
const Release = "2026.4.1"

var library struct {
	sync.Mutex
	dir    string // where it is looked for first
	opened bool
}

// SetLibraryDir has the library looked for in dir before anywhere else. It has no effect once a model has been read.
func SetLibraryDir(dir string) {
	library.Lock()
	defer library.Unlock()
	library.dir = dir
}

// Open opens the library, once. Without it the error, FAILED_PRECONDITION, says where it was looked for and how to install it.
func Open() error {
	library.Lock()
	defer library.Unlock()
	if library.opened {
		return nil
	}
	if err := open(libraryDirs(library.dir)); err != nil {
		return err
	}
	library.opened = true
	return nil
}

// open takes the first library in dirs that can be used.
func open(dirs []string) error {
	why := "it is in none of " + strings.Join(dirs, ", ")
	for _, path := range libraryFiles(dirs) {
		cpath := C.CString(path)
		text := C.shoal_ov_open(cpath)
		C.free(unsafe.Pointer(cpath))
		if text == nil {
			return statusError(C.shoal_ov_core())
		}
		why = path + ": " + taken(text)
	}
	return status.Errorf(codes.FailedPrecondition, "OpenVINO's library cannot be used (%s): install it with `make deps`, or with `pip install openvino==%s` and --openvino_library_dir=…/site-packages/openvino/libs", why, Release)
}

// libraryDirs are the directories where the library may be: the one that was named; or else ../lib/openvino beside the executable and
// the source tree's cache.
func libraryDirs(named string) []string {
	if named != "" {
		return []string{named}
	}
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dirs = append(dirs, filepath.Join(filepath.Dir(exe), "..", "lib", "openvino"))
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // a program that was built with -trimpath does not know
		dirs = append(dirs, filepath.Join(filepath.Dir(file), "..", "..", ".cache", "openvino", "lib"))
	}
	return dirs
}

// libraryFiles are the libraries in dirs, the newest version of each directory first.
func libraryFiles(dirs []string) (files []string) {
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "libopenvino_c.so*"))
		slices.Sort(found)
		slices.Reverse(found)
		files = append(files, found...)
	}
	return files
}

// Version is the opened library's version, "2026.4.1-…"; "" before Open.
func Version() string {
	library.Lock()
	defer library.Unlock()
	if !library.opened {
		return ""
	}
	return taken(C.shoal_ov_version())
}

// taken is the C string's text; the string is freed.
func taken(s *C.char) string {
	if s == nil {
		return ""
	}
	defer C.free(unsafe.Pointer(s))
	return C.GoString(s)
}

// statusCodes are the gRPC codes of OpenVINO's statuses; those that are not named are INTERNAL.
var statusCodes = map[C.int]codes.Code{
	-2: codes.Unimplemented, -4: codes.InvalidArgument, -5: codes.NotFound, -6: codes.OutOfRange, -10: codes.ResourceExhausted,
	-13: codes.Canceled,
}

// statusError makes a gRPC status error of OpenVINO's status, with its message less the lines that name its source files.
func statusError(code C.int) error {
	if code == 0 {
		return nil
	}
	if code == C.SHOAL_OV_INVALID {
		return status.Error(codes.Internal, "OpenVINO: wrong argument")
	}
	c, named := statusCodes[code]
	if !named {
		c = codes.Internal
	}
	return status.Error(c, "OpenVINO: "+plain(taken(C.shoal_ov_error())))
}

// plain is a message of OpenVINO's in one line.
func plain(message string) string {
	var lines []string
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "Exception from ") || strings.HasPrefix(line, "Check '") && strings.Contains(line, " failed at ") {
			continue
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return strings.Join(strings.Fields(message), " ")
	}
	return strings.Join(lines, " ")
}
