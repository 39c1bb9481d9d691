package oip

import (
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// ModelSpec is the version of a model that a request asks for: a number, or a label of the model, in the place of the number or in the
// parameter version_label; "" and "": the newest. The protocol's own versions are numbers.
func ModelSpec(model, version, label string) (serving.ModelSpec, error) {
	spec := serving.ModelSpec{Model: model, Label: label}
	switch n, err := strconv.ParseInt(version, 10, 64); {
	case version == "":
	case label != "":
		return spec, invalid("the version and the parameter 'version_label' exclude each other: send one of them")
	case err == nil && n >= 0:
		spec.Version = &n
	default:
		spec.Label = version
	}
	return spec, nil
}

// Pin resolves the version and holds it until the call's Unpin.
func Pin(c *serving.Call, core serving.Core, spec serving.ModelSpec) error {
	if err := c.Pin(core, spec); err != nil {
		return unknown(core, spec, err)
	}
	return nil
}

// Handle is Pin for what is no serving.Call. Release the handle.
func Handle(core serving.Core, spec serving.ModelSpec) (*serving.Handle, error) {
	h, err := core.Handle(spec)
	if err != nil {
		return nil, unknown(core, spec, err)
	}
	return h, nil
}

// unknown says in Triton's words why a version cannot be had.
func unknown(core serving.Core, spec serving.ModelSpec, err error) error {
	code := status.Code(err)
	if code != codes.NotFound && (code != codes.InvalidArgument || spec.Label == "") {
		return err
	}
	versions, missing := core.Status(spec.Model, spec.Version)
	switch {
	case spec.Label != "":
		return status.Errorf(codes.NotFound, "Request for unknown model: '%s' version %s is not found", spec.Model, spec.Label)
	case missing != nil && spec.Version != nil && isModel(core, spec.Model):
		return status.Errorf(codes.NotFound, "Request for unknown model: '%s' version %d is not found", spec.Model, *spec.Version)
	case missing != nil && !isModel(core, spec.Model):
		return status.Errorf(codes.NotFound, "Request for unknown model: '%s' is not found", spec.Model)
	case spec.Version != nil && len(versions) > 0:
		return status.Errorf(codes.Unavailable, "Request for unknown model: '%s' version %d is not at ready state", spec.Model, *spec.Version)
	}
	return status.Errorf(codes.NotFound, "Request for unknown model: '%s' has no available versions", spec.Model)
}

func isModel(core serving.Core, name string) bool {
	for _, m := range core.Models() {
		if m.Name == name {
			return m.Configured || len(m.Versions) > 0
		}
	}
	return false
}
