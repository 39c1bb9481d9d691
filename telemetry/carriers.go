package telemetry

import (
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/metadata"
)

// HTTPCarrier reads and writes trace context in the headers of a request.
type HTTPCarrier struct{ Header *fasthttp.RequestHeader }

// Get implements propagation.TextMapCarrier.
func (c HTTPCarrier) Get(key string) string { return string(c.Header.Peek(key)) }

// Set implements propagation.TextMapCarrier.
func (c HTTPCarrier) Set(key, value string) { c.Header.Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (c HTTPCarrier) Keys() (keys []string) {
	c.Header.VisitAll(func(key, _ []byte) { keys = append(keys, string(key)) })
	return keys
}

// RPCCarrier does the same in the metadata of a gRPC call.
type RPCCarrier metadata.MD

// Get implements propagation.TextMapCarrier.
func (c RPCCarrier) Get(key string) string {
	if v := metadata.MD(c).Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c RPCCarrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (c RPCCarrier) Keys() (keys []string) {
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
