package oip

import (
	"math"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind is the type of a parameter's value. Its names are those of gRPC's fields, which Triton's texts use.
type Kind string

// The kinds of values.
const (
	NoValue Kind = ""
	Bool    Kind = "bool_param"
	Int     Kind = "int64_param"
	Uint    Kind = "uint64_param"
	Double  Kind = "double_param"
	String  Kind = "string_param"
)

// Value is a parameter's value, in the field of its kind.
type Value struct {
	Kind   Kind
	Bool   bool
	Int    int64
	Uint   uint64
	Double float64
	String string
}

// uint64 is a number that is not negative and has no fraction.
func (v *Value) uint64() (n uint64, ok bool) {
	switch v.Kind {
	case Int:
		return uint64(v.Int), v.Int >= 0
	case Uint:
		return v.Uint, true
	case Double: // JSON has only one kind of number
		return uint64(v.Double), v.Double >= 0 && v.Double < 1<<63 && v.Double == math.Trunc(v.Double)
	}
	return 0, false
}

// Count is a number of bytes, or of anything else that fits memory.
func (v *Value) Count() (n int, ok bool) {
	u, ok := v.uint64()
	return int(min(u, math.MaxInt)), ok && u <= math.MaxInt
}

// Settings is what a request's parameters ask for. Parameters that are not listed here are ignored, as the protocol demands.
type Settings struct {
	Signature    string        // signature_name; "": the default one
	Label        string        // version_label
	Timeout      time.Duration // timeout, which is sent in microseconds; 0: none
	Priority     uint64        // priority: 1 is the highest; 0: the model's default
	BinaryOutput bool          // binary_data_output: outputs are binary where they do not say otherwise (REST only)
	FinalMarker  bool          // triton_enable_empty_final_response: answers of a stream say that they are final
}

// finalMarker is the only parameter of its prefix that clients may send.
const finalMarker = "triton_enable_empty_final_response"

// Set takes in one parameter of a request.
func (s *Settings) Set(key string, v Value) error {
	switch key {
	case "signature_name":
		return takeString(key, v, &s.Signature)
	case "version_label":
		return takeString(key, v, &s.Label)
	case "binary_data_output":
		return takeBool(key, v, &s.BinaryOutput)
	case finalMarker:
		return takeBool(key, v, &s.FinalMarker)
	case "sequence_start", "sequence_end": // no model here has sequences
		return takeBool(key, v, new(bool))
	case "sequence_id":
		if v.Kind == Bool || v.Kind == NoValue {
			return wrongKind(key, Int, String)
		}
	case "priority":
		n, ok := v.uint64()
		if !ok && v.Kind == Int {
			return invalid("invalid value for 'priority', expected value >= 0.")
		}
		if !ok {
			return wrongKind(key, Int, Uint)
		}
		s.Priority = n
	case "timeout":
		n, ok := v.uint64()
		if !ok {
			return wrongKind(key, Int, Uint)
		}
		s.Timeout = time.Duration(min(n, math.MaxInt64/uint64(time.Microsecond))) * time.Microsecond
	default:
		if strings.HasPrefix(key, "triton_") {
			return invalid("parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.")
		}
	}
	return nil
}

// Deadline is when the request has to be answered: the client's own deadline (zero: none), or its timeout after start, whichever is earlier.
func (s *Settings) Deadline(client, start time.Time) time.Time {
	if s.Timeout == 0 {
		return client
	}
	if own := start.Add(s.Timeout); client.IsZero() || own.Before(client) {
		return own
	}
	return client
}

// OutputSettings is what the parameters of a requested output ask for.
type OutputSettings struct {
	Classes int   // classification: how many classes of each row are wanted; 0: the output itself
	Binary  *bool // binary_data: whether the output is binary (REST only); nil: the request's binary_data_output decides
}

// Set takes in one parameter of a requested output.
func (s *OutputSettings) Set(key string, v Value) error {
	switch key {
	case "classification":
		n, ok := v.uint64()
		if !ok {
			return wrongKind(key, Int)
		}
		s.Classes = int(min(n, math.MaxInt32))
	case "binary_data":
		s.Binary = new(bool)
		return takeBool(key, v, s.Binary)
	}
	return SharedMemory(key)
}

// SharedMemory refuses a parameter of an input or output that says that it lies in shared memory.
func SharedMemory(key string) error {
	if strings.HasPrefix(key, "shared_memory_") {
		return status.Error(codes.InvalidArgument, status.Convert(ErrSharedMemory).Message())
	}
	return nil
}

func takeString(key string, v Value, to *string) error {
	if v.Kind != String {
		return wrongKind(key, String)
	}
	*to = v.String
	return nil
}

func takeBool(key string, v Value, to *bool) error {
	if v.Kind != Bool {
		return wrongKind(key, Bool)
	}
	*to = v.Bool
	return nil
}

func wrongKind(key string, want ...Kind) error {
	names := make([]string, len(want))
	for i, k := range want {
		names[i] = string(k)
	}
	return invalid("invalid value type for '%s' parameter, expected %s.", key, strings.Join(names, " or "))
}
