package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/source/cache"
)

// fill unpacks an archive into dir.
func (s *Source) fill(ctx context.Context, at, key, dir string, room *cache.Room) error {
	began := time.Now()
	file := at
	if remote(at) {
		file = filepath.Join(filepath.Dir(dir), "archive")
	}
	d := download{Source: s, at: at, key: key, room: room}
	if remote(at) {
		if err := d.to(ctx, file); err != nil {
			return err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return status.Errorf(codes.NotFound, "%s: %v", at, err)
	}
	defer f.Close()
	if err := verify(f, key); err != nil {
		return status.Errorf(codes.DataLoss, "%s: %v", show(at), err)
	}
	if err := unpack(ctx, f, dir, room); err != nil {
		if _, known := status.FromError(err); !known && !isWriteError(err) && ctx.Err() == nil {
			err = status.Errorf(codes.DataLoss, "%s cannot be unpacked: %v", show(at), err)
		}
		return err
	}
	if remote(at) {
		if err := os.Remove(file); err != nil {
			return err
		}
		room.Give(d.have)
	} else if now, err := stateOfFile(at); err != nil || strings.HasPrefix(key, "state=") && now.key != key {
		return errChanging(at)
	}
	s.Logger.Info("archive unpacked", slog.String("from", show(at)), slog.Duration("took", time.Since(began).Round(time.Millisecond)))
	return nil
}

// verify compares an archive with the digest that the base path wants.
func verify(f *os.File, key string) error {
	want, ok := strings.CutPrefix(key, "sha256=")
	if !ok {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fmt.Errorf("its sha256 is %s, and the base path wants %s", got, want)
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// download brings an archive from a server. A connection that ends early is made again, and continues where the last one ended.
type download struct {
	*Source
	at, key string
	room    *cache.Room
	file    *os.File
	have    int64 // bytes in the file
	size    int64 // of the whole; -1: not known
	ifRange string
}

// cut is an error after which a download may be continued.
type cut struct{ error }

func (d *download) to(ctx context.Context, path string) (err error) {
	if d.file, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	defer d.file.Close()
	for try := 1; ; try++ {
		before := d.have
		err := d.part(ctx)
		if err == nil {
			return nil
		}
		again, ok := errors.AsType[cut](err)
		switch {
		case ctx.Err() != nil:
			return status.FromContextError(ctx.Err()).Err()
		case !ok:
			return err
		case d.have > before:
			try = 1
		case try >= d.patience.tries:
			return again.error
		}
		d.Logger.Warn("download interrupted", slog.String("url", show(d.at)), slog.Int64("bytes", d.have), slog.String("reason", status.Convert(again.error).Message()))
		pause := d.patience.pause << (try - 1)
		select {
		case <-time.After(pause/2 + mathrand.N(pause+1)):
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// part reads what one connection gives of the rest of the archive.
func (d *download) part(ctx context.Context) error {
	if d.have > 0 && d.ifRange == "" {
		if err := d.restart(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.patience.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	rest := ""
	if d.have > 0 {
		rest = fmt.Sprintf("bytes=%d-", d.have)
	}
	resp, err := d.get(ctx, d.at, rest, d.ifRange)
	if err != nil {
		if away(err) {
			return cut{err}
		}
		return err
	}
	defer resp.Body.Close()
	if err := d.begin(resp); err != nil {
		return err
	}
	to := d.room.Writer(d.file)
	defer to.Close()
	buf := make([]byte, 256<<10)
	for {
		n, err := resp.Body.Read(buf)
		watch.Reset(d.patience.stall)
		if n > 0 {
			if d.size >= 0 && d.have+int64(n) > d.size {
				return status.Errorf(codes.DataLoss, "%s: the server sends more than the %d bytes that it announced", show(d.at), d.size)
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
			d.have += int64(n)
		}
		switch {
		case err == io.EOF && d.size >= 0 && d.have < d.size:
			err = io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		}
		if err != nil {
			return cut{status.Errorf(codes.Unavailable, "%s: after %d bytes of %d: %v", show(d.at), d.have, d.size, reason(ctx, err))}
		}
	}
}

var errStalled = errors.New("the server sends no more")

func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// begin compares the head of an answer with what is wanted and what is there already.
func (d *download) begin(resp *http.Response) error {
	now, err := d.describe(d.at, resp)
	if err != nil {
		return err
	}
	if strings.HasPrefix(d.key, "state=") && now.key != d.key {
		return errChanging(d.at)
	}
	first := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		if first, _, err = contentRange(resp); err != nil {
			return err
		}
	}
	d.size, d.ifRange = now.size, now.ifRange
	switch first {
	case d.have:
		return nil
	case 0: // the server sends all of it, as it cannot continue or the archive has changed
		return d.restart()
	}
	return status.Errorf(codes.Unavailable, "%s: the server was asked for what follows byte %d, and sends from byte %d on", show(d.at), d.have, first)
}

// restart forgets what was downloaded.
func (d *download) restart() error {
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	d.room.Give(d.have)
	d.have = 0
	return nil
}
