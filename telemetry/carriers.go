package telemetry

import (
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/metadata"
)

// requestHeader reads trace context from the headers of a request. It is written to by nobody.
type requestHeader struct{ *fasthttp.RequestHeader }

// Get implements propagation.TextMapCarrier.
func (h requestHeader) Get(key string) string { return string(h.Peek(key)) }

// Keys implements propagation.TextMapCarrier.
func (h requestHeader) Keys() []string { return nil }

// responseHeader writes it to those of an answer. It is read by nobody.
type responseHeader struct{ *fasthttp.ResponseHeader }

// Get implements propagation.TextMapCarrier.
func (h responseHeader) Get(key string) string { return string(h.Peek(key)) }

// Keys implements propagation.TextMapCarrier.
func (h responseHeader) Keys() []string { return nil }

// carrier does both in the metadata of a gRPC call.
type carrier metadata.MD

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	if v := metadata.MD(c).Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() (keys []string) {
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
