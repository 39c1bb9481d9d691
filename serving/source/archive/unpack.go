package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/source/cache"
)

const (
	maxFiles = 100_000 // in one archive, directories and links too
	maxLink  = 4096    // bytes of a link's target
	maxTail  = 16 << 20
)

// unpack writes an archive's files below dir. Nothing outside dir is written, whatever names and links the archive has, and no link
// may lead out of it. An error that is not a write error says what is wrong with the archive.
func unpack(ctx context.Context, f *os.File, dir string, room *cache.Room) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return writeError{err}
	}
	defer root.Close()
	u := &unpacker{ctx: ctx, root: root, room: room}
	var head [512]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case bytes.HasPrefix(head[:n], []byte{0x1f, 0x8b}):
		zipped, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		if err := u.tar(zipped); err != nil {
			return err
		}
	case bytes.HasPrefix(head[:n], []byte("PK")):
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := u.zip(f, info.Size()); err != nil {
			return err
		}
	case n > 262 && string(head[257:262]) == "ustar":
		if err := u.tar(f); err != nil {
			return err
		}
	default:
		return errors.New("it is none of .tar, .tar.gz, .zip")
	}
	return u.checkLinks()
}

type unpacker struct {
	ctx   context.Context
	root  *os.Root
	room  *cache.Room
	files int
	links []string
}

// writeError is an error of the file system, and not of the archive.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func isWriteError(err error) bool {
	_, ok := errors.AsType[writeError](err)
	return ok
}

func (u *unpacker) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		name, skip, err := u.entry(h.Name)
		if err != nil {
			return err
		}
		if skip {
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = u.dir(name)
		case tar.TypeReg:
			err = u.file(name, t)
		case tar.TypeSymlink:
			err = u.link(name, h.Linkname, u.root.Symlink)
		case tar.TypeLink:
			err = u.link(name, h.Linkname, u.root.Link)
		case tar.TypeXGlobalHeader:
		default:
			err = fmt.Errorf("%q is neither a file nor a directory nor a link", h.Name)
		}
		if err != nil {
			return err
		}
	}
	// The checksum is at the very end.
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxTail))
	if err == nil && n == maxTail {
		err = errors.New("more than 16 MiB follow its last file")
	}
	return err
}

func (u *unpacker) zip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return err
	}
	for _, f := range z.File {
		name, skip, err := u.entry(f.Name)
		if err != nil {
			return err
		}
		if skip {
			continue
		}
		if err := u.zipped(name, f); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) zipped(name string, f *zip.File) error {
	if f.Mode().IsDir() {
		return u.dir(name)
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	switch f.Mode().Type() {
	case 0:
		return u.file(name, r)
	case fs.ModeSymlink:
		target, err := io.ReadAll(io.LimitReader(r, maxLink))
		if err != nil {
			return err
		}
		return u.link(name, string(target), u.root.Symlink)
	}
	return fmt.Errorf("%q is neither a file nor a directory nor a link", f.Name)
}

// entry checks the name of an entry, and counts it.
func (u *unpacker) entry(name string) (clean string, skip bool, err error) {
	if err := u.ctx.Err(); err != nil {
		return "", false, err
	}
	if u.files++; u.files > maxFiles {
		return "", false, fmt.Errorf("it has more than %d files", maxFiles)
	}
	clean = path.Clean(name)
	switch {
	case clean == ".":
		return "", true, nil
	case strings.Contains(name, `\`):
		return "", false, fmt.Errorf("%q has a backslash in its name: pack it with slashes", name)
	case !filepath.IsLocal(name):
		return "", false, fmt.Errorf("%q lies outside the archive's directory", name)
	}
	return clean, false, nil
}

func (u *unpacker) dir(name string) error { return u.made(name, u.root.MkdirAll(name, 0o755)) }

func (u *unpacker) file(name string, r io.Reader) error {
	if err := u.dir(path.Dir(name)); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return u.made(name, err)
	}
	defer f.Close()
	to := u.room.Writer(f)
	defer to.Close()
	if _, err := io.Copy(written{to}, reading{u.ctx, r}); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return writeError{err}
	}
	return nil
}

func (u *unpacker) link(name, target string, make func(target, name string) error) error {
	if err := u.dir(path.Dir(name)); err != nil {
		return err
	}
	u.links = append(u.links, name)
	return u.made(name, make(target, name))
}

// made tells errors that an archive causes from those of the file system.
func (u *unpacker) made(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("it has two of %q", name)
	}
	number, ok := errors.AsType[syscall.Errno](err)
	if ok && !slices.Contains(impossible, number) {
		return writeError{err}
	}
	return fmt.Errorf("%q cannot be made: %w", name, err)
}

// impossible are the system's errors for names that an archive cannot have together.
var impossible = []syscall.Errno{syscall.ENOTDIR, syscall.EISDIR, syscall.ENOENT, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL, syscall.EPERM}

// checkLinks follows the links when all is there: what one of them leads to may come after it. A Root follows none out of it.
func (u *unpacker) checkLinks() error {
	for _, name := range u.links {
		if _, err := u.root.Stat(name); err != nil {
			return fmt.Errorf("the link %q leads to nothing in the archive", name)
		}
	}
	return nil
}

// reading ends when its context does.
type reading struct {
	ctx context.Context
	io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// written marks the errors of a writer.
type written struct{ io.Writer }

func (w written) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = writeError{err}
	}
	return n, err
}

// maxNested is how many directories may lie around a model.
const maxNested = 8

// top is the directory of the model: the first one that is not alone in the one above it.
func top(dir, at string) (string, error) {
	for range maxNested {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", status.Errorf(codes.Unavailable, "--model_cache_dir: %v", err)
		}
		var only os.DirEntry
		n, numbers := 0, 0
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || e.Name() == "__MACOSX" { // what file managers add
				continue
			}
			only = e
			n++
			if isNumber(e.Name()) && e.IsDir() {
				numbers++
			}
		}
		switch {
		case n > 1 && n == numbers:
			return "", status.Errorf(codes.InvalidArgument, "%s has several versions: an archive holds one; name it by its number, as in 7.tar.gz", show(at))
		case n != 1 || !only.IsDir():
			return dir, nil
		}
		dir = filepath.Join(dir, only.Name())
	}
	return dir, nil
}

func isNumber(name string) bool { return strings.Trim(name, "0123456789") == "" }
