package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// isArchive reports whether a local path is that of an archive.
func isArchive(path string) bool {
	if !slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func stateOfFile(path string) (state, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state{}, status.Errorf(codes.NotFound, "base path %s does not exist", path)
	case err != nil:
		return state{}, status.Errorf(codes.Unavailable, "base path %s cannot be read: %v", path, err)
	}
	return state{key: stateKey(path, fmt.Sprint(info.ModTime().UnixNano()), info.Size()), changed: info.ModTime(), size: info.Size()}, nil
}

// stateKey is the key of an archive that is known by a validator and its size.
func stateKey(at, validator string, size int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", at, validator, size))
	return "state=" + hex.EncodeToString(sum[:16])
}
