// Package oip is the Open Inference Protocol (version 2, "/v2") apart from its transport, with the extensions that clients of Triton
// use: datatypes, metadata, model configuration, statistics, readiness, the repository's index, the parameters of requests, binary
// tensors and classification. It knows neither HTTP nor gRPC. Its structs have the protocol's JSON form, so that REST writes them as
// they are. Errors carry a gRPC status, with Triton's texts where clients know them.
//
// The protocol has no signatures: a request means the model's default one (DefaultSignature), unless its parameter signature_name
// names another. Inputs and outputs go by the signature's aliases.
package oip

import (
	"maps"
	"slices"

	"shoal/serving"
	"shoal/tensor"
)

// Name is the server's name in its metadata.
const Name = "shoal"

// ServerMetadata describes the server.
type ServerMetadata struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// extensions are those that are there.
var extensions = []string{
	"classification", "model_configuration", "model_repository", "schedule_policy", "binary_tensor_data", "parameters", "statistics", "logging",
}

// Server describes a server of this version.
func Server(version string) ServerMetadata {
	return ServerMetadata{Name: Name, Version: version, Extensions: slices.Clone(extensions)}
}

// defaultKey is the key of the signature that is served where a request names none.
const defaultKey = "serving_default"

// DefaultSignature is what a request means that names no signature: serving_default, or the only one of a model that has just one.
func DefaultSignature(h *serving.Handle) (*tensor.Signature, bool) {
	if sig, ok := h.Signature(defaultKey); ok {
		return sig, true
	}
	served := Signatures(h)
	if len(served) != 1 {
		return nil, false
	}
	return h.Signature(served[0])
}

// Signatures are the keys of the signatures that are served, sorted.
func Signatures(h *serving.Handle) (keys []string) {
	return slices.Sorted(maps.Keys(h.Describe().Signatures))
}
