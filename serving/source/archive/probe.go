package archive

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// patience says how servers are asked.
type patience struct {
	fresh  time.Duration // how long an answer holds; one that is an error, from a tenth of it on and up
	answer time.Duration // for the head of an answer
	stall  time.Duration // for more of a body
	pause  time.Duration // before a download is continued, at first
	tries  int           // to continue a download without a byte
}

var defaultPatience = patience{fresh: 30 * time.Second, answer: 8 * time.Second, stall: time.Minute, pause: time.Second, tries: 5}

// probe remembers what a server said of a URL: scans are much more frequent than it should be asked.
type probe struct {
	mu    sync.Mutex
	state state
	err   error
	until time.Time
	fails int  // in a row
	ever  bool // the server has answered once
}

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	t.IdleConnTimeout = 10 * time.Second
	return &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		switch {
		case len(via) > 10:
			return errors.New("more than 10 redirects")
		case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
			return errors.New("a redirect leads from https to " + req.URL.Scheme)
		}
		return nil
	}}
}

// probe asks the server for the state of an archive, unless it did so lately. As long as the server has never answered, an archive
// in the cache stands for what it has.
func (s *Source) probe(ctx context.Context, at string) (state, error) {
	s.mu.Lock()
	p := s.probes[at]
	if p == nil {
		p = &probe{}
		s.probes[at] = p
	}
	s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.state, p.err
	}
	now, err := s.ask(ctx, at)
	if ctx.Err() != nil {
		return state{}, status.FromContextError(ctx.Err()).Err()
	}
	wait := s.patience.fresh
	if err != nil {
		wait = min(10*wait, wait/10<<min(p.fails, 10))
		p.fails++
	} else {
		p.fails, p.ever = 0, true
	}
	if err != nil && !p.ever && away(err) {
		if key, ok := s.Cache.Last(at); ok {
			if p.fails == 1 {
				s.Logger.Warn("the server does not answer: the model is taken from the cache", slog.String("url", show(at)), slog.String("reason", status.Convert(err).Message()))
			}
			now, err = state{key: key, size: -1}, nil
		}
	}
	p.state, p.err = now, err
	p.until = time.Now().Add(wait/2 + mathrand.N(wait+1)) // servers that start together do not ask together
	return now, err
}

// away reports whether an error says that the server cannot be reached, and nothing of the archive.
func away(err error) bool { return status.Code(err) == codes.Unavailable }

// ask asks the server for the first byte of an archive: not all servers allow HEAD, and signed URLs do not.
func (s *Source) ask(ctx context.Context, at string) (state, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience.answer, errSlow)
	defer cancel()
	resp, err := s.get(ctx, at, "bytes=0-0", "")
	if err != nil {
		return state{}, err
	}
	defer resp.Body.Close()
	return s.describe(at, resp)
}

var errSlow = errors.New("no answer in time")

// get sends a request. The error is a status that names the URL, without its secrets.
func (s *Source) get(ctx context.Context, at, byteRange, ifRange string) (*http.Response, error) {
	at, _, _ = strings.Cut(at, "#")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "base path %s is no URL", show(at))
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "shoal")
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	if ifRange != "" {
		req.Header.Set("If-Range", ifRange)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreachable(ctx, at, err)
	}
	code := codes.Unavailable
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
		return resp, nil
	case http.StatusNotFound, http.StatusGone:
		code = codes.NotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		code = codes.PermissionDenied
	case http.StatusRequestedRangeNotSatisfiable:
		code = codes.DataLoss
	}
	resp.Body.Close()
	return nil, status.Errorf(code, "%s: the server answers %s", show(at), resp.Status)
}

func (s *Source) unreachable(ctx context.Context, at string, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the text without it has no URL
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return status.Errorf(codes.Unavailable, "%s: %v", show(at), err)
}

// describe reads an archive's state from the head of an answer.
func (s *Source) describe(at string, resp *http.Response) (state, error) {
	now := state{size: resp.ContentLength}
	if resp.StatusCode == http.StatusPartialContent {
		_, total, err := contentRange(resp)
		if err != nil {
			return state{}, status.Errorf(codes.Unavailable, "%s: %v", show(at), err)
		}
		now.size = total
	}
	tag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	now.changed, _ = http.ParseTime(modified)
	switch {
	case tag == "":
		now.ifRange = modified
	case !strings.HasPrefix(tag, "W/"):
		now.ifRange = tag
	}
	// Without a validator nothing tells that the archive is still what a former process has fetched.
	now.key = stateKey(at, cmp.Or(tag, modified, thisProcess), now.size)
	return now, nil
}

var thisProcess = rand.Text()

// contentRange reads "bytes 5-9/10": the first byte and the size of the whole, -1 where it is not told.
func contentRange(resp *http.Response) (first, total int64, err error) {
	text := resp.Header.Get("Content-Range")
	rest, ok := strings.CutPrefix(text, "bytes ")
	from, rest, dash := strings.Cut(rest, "-")
	_, of, slash := strings.Cut(rest, "/")
	first, err = strconv.ParseInt(from, 10, 64)
	if !ok || !dash || !slash || err != nil {
		return 0, 0, errors.New("the server answers with a broken Content-Range: " + strconv.Quote(text))
	}
	if of == "*" {
		return first, -1, nil
	}
	if total, err = strconv.ParseInt(of, 10, 64); err != nil {
		return 0, 0, errors.New("the server answers with a broken Content-Range: " + strconv.Quote(text))
	}
	return first, total, nil
}
