package oip

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// IndexEntry is a version in the repository's index. A model without versions has only a name.
type IndexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	State   string `json:"state,omitempty"` // READY, LOADING, UNLOADING or UNAVAILABLE
	Reason  string `json:"reason,omitempty"`
}

const ready = "READY"

// Index lists the versions of all models, those that are gone too, and the models of the repository that are not served; readyOnly leaves
// only versions that are ready. repository may be nil.
func Index(core serving.Core, repository serving.Repository, readyOnly bool) []IndexEntry {
	entries := []IndexEntry{}
	known := make(map[string]bool)
	for _, m := range core.Models() {
		known[m.Name] = true
		if len(m.Versions) == 0 && m.Configured && !readyOnly {
			entries = append(entries, IndexEntry{Name: m.Name})
		}
		for i := len(m.Versions) - 1; i >= 0; i-- {
			e := indexEntry(m.Name, &m.Versions[i])
			if e.State == ready || !readyOnly {
				entries = append(entries, e)
			}
		}
	}
	if repository == nil || readyOnly {
		return entries
	}
	for _, name := range repository.Found() {
		if !known[name] {
			entries = append(entries, IndexEntry{Name: name})
		}
	}
	slices.SortStableFunc(entries, func(a, b IndexEntry) int { return strings.Compare(a.Name, b.Name) })
	return entries
}

// Load serves a model of the repository, and returns when it is available or has failed. overridden says that the request brings the
// model's configuration or files. repository may be nil.
func Load(ctx context.Context, repository serving.Repository, model string, overridden bool) error {
	switch {
	case repository == nil:
		return ErrRepositoryFixed
	case overridden:
		return status.Errorf(codes.Unimplemented, "failed to load '%s', the parameters config and file: are not supported: "+
			"models are loaded as they are in --model_repository", model)
	}
	return failed("failed to load '%s', %s", model, repository.Load(ctx, model))
}

// Unload ends a model of the repository. repository may be nil.
func Unload(ctx context.Context, repository serving.Repository, model string) error {
	if repository == nil {
		return ErrRepositoryFixed
	}
	return failed("failed to unload '%s', %s", model, repository.Unload(ctx, model))
}

// failed is INVALID_ARGUMENT, as Triton answers, unless the request's own time was up or it came to the wrong port.
func failed(format, model string, err error) error {
	switch code := status.Code(err); code {
	case codes.OK:
		return nil
	case codes.Canceled, codes.DeadlineExceeded, codes.PermissionDenied:
		return err
	}
	return status.Errorf(codes.InvalidArgument, format, model, status.Convert(err).Message())
}

func indexEntry(model string, v *serving.VersionStatus) IndexEntry {
	e := IndexEntry{Name: model, Version: strconv.FormatInt(v.Version, 10)}
	switch v.State {
	case serving.Available:
		e.State = ready
	case serving.Start, serving.Loading:
		e.State = "LOADING"
	case serving.Unloading:
		e.State = "UNLOADING"
	default:
		e.State, e.Reason = "UNAVAILABLE", "unloaded"
	}
	if v.Err != nil {
		e.Reason = status.Convert(v.Err).Message()
	}
	return e
}
