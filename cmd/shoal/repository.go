package main

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// repositoryFor is what one of the API's servers, or of the administration's, loads and unloads models with; nil: there is no
// --model_repository.
func (a *app) repositoryFor(admin bool) serving.Repository {
	if a.repository == nil {
		return nil
	}
	if why := a.cfg.RepositoryRefused(admin); why != "" {
		return fixed{a.repository, why}
	}
	return a.repository
}

// fixed is a repository that cannot be changed here.
type fixed struct {
	serving.Repository
	why string
}

// Load implements serving.Repository.
func (f fixed) Load(context.Context, string) error {
	return status.Error(codes.PermissionDenied, f.why)
}

// Unload implements serving.Repository.
func (f fixed) Unload(context.Context, string) error {
	return status.Error(codes.PermissionDenied, f.why)
}
