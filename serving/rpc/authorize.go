package rpc

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"shoal/serving/access"
)

const authorizationKey = "authorization"

const reloadMethod = "/" + ModelService + "/HandleReloadConfigRequest"

// openMethods need no key: whoever asks after the server's health has none.
var openMethods = map[string]bool{
	grpc_health_v1.Health_Check_FullMethodName: true,
	grpc_health_v1.Health_List_FullMethodName:  true,
	grpc_health_v1.Health_Watch_FullMethodName: true,
}

// role is what a method needs. Reflection is the same on every server and says nothing of models, but like all that is not
// health it is for those who have a key.
func role(method string) access.Role {
	switch {
	case openMethods[method]:
		return access.Nobody
	case method == reloadMethod:
		return access.Admin
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
	if err := s.opts.Keys.Check(role(info.FullMethodName), sent); err != nil {
		return err
	}
	if why := s.opts.ReloadRefused; why != "" && info.FullMethodName == reloadMethod {
		return status.Error(codes.PermissionDenied, why)
	}
	return nil
}
