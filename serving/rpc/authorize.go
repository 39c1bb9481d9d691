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

// role returns the role that a method needs. Reflection is the same on every server and shows no models. It needs a key all the
// same, like every method except health.
func (s *Server) role(method string) access.Role {
	if role, ok := s.roles[method]; ok {
		return role
	}
	return access.Predict
}

// admit is called before every call, so that the message of a rejected call is not read. It runs in the goroutine that reads the
// connection, so it must be brief.
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
