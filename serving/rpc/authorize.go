package rpc

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"shoal/serving/access"
)

const authorizationKey = "authorization"

const reloadMethod = "/" + ModelService + "/HandleReloadConfigRequest"

// role is what a method needs. Reflection is the same on every server and says nothing of models, but like all that is not
// health it is for those who have a key.
func (s *Server) role(method string) access.Role {
	if role, ok := s.roles[method]; ok {
		return role
	}
	return access.Predict
}

// admit stands before every call: what is refused here has not been read yet. It runs in the goroutine that reads the
// connection, so that it must be brief.
func (s *Server) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	err := s.permit(info)
	if name, own := s.methods[info.FullMethodName]; own && err != nil {
		s.refused(ctx, name, err)
	}
	return ctx, err
}

func (s *Server) permit(info *tap.Info) error {
	sent := ""
	if values := info.Header[authorizationKey]; len(values) > 0 {
		sent = values[0]
	}
	need := s.role(info.FullMethodName)
	if err := s.opts.Keys.Check(need, sent); err != nil {
		return err
	}
	why := s.opts.AdminRefused
	if info.FullMethodName == reloadMethod {
		why = s.opts.ReloadRefused
	}
	if need == access.Admin && why != "" {
		return status.Error(codes.PermissionDenied, why)
	}
	return nil
}
