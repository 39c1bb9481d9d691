package v1

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

func TestCodeNames(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{{nil, "OK"}, {status.Error(codes.Canceled, ""), "CANCELLED"}, {status.Error(codes.Unauthenticated, ""), "UNAUTHENTICATED"}, {errors.New(""), "UNKNOWN"}, {status.Error(99, ""), "UNKNOWN"}} {
		b := string(appendVersions(nil, []serving.VersionStatus{{Version: 1, Err: c.err}}, nil))
		if !strings.Contains(b, `"error_code":"`+c.want+`"`) {
			t.Errorf("%v: %s", c.err, b)
		}
	}
}
