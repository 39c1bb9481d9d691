package rpc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ChannelArguments is what --grpc_channel_arguments can set. Zero values leave gRPC's defaults.
type ChannelArguments struct {
	MaxConnectionAge        time.Duration // grpc.max_connection_age_ms
	MaxConnectionAgeGrace   time.Duration // grpc.max_connection_age_grace_ms
	MaxConnectionIdle       time.Duration // grpc.max_connection_idle_ms
	KeepaliveTime           time.Duration // grpc.keepalive_time_ms
	KeepaliveTimeout        time.Duration // grpc.keepalive_timeout_ms
	MinPingInterval         time.Duration // grpc.http2.min_recv_ping_interval_without_data_ms
	PermitPingsWithoutCalls bool          // grpc.keepalive_permit_without_calls
	MaxReceiveBytes         int64         // grpc.max_receive_message_length; -1: no limit
	MaxSendBytes            int64         // grpc.max_send_message_length; -1: no limit
	Unknown                 []string      // names that have no effect here, in the order given
}

// ParseChannelArguments reads "name=value,name=value". An argument of gRPC's C core that has no effect in this server is no
// error; its name is added to Unknown.
func ParseChannelArguments(s string) (ChannelArguments, error) {
	var a ChannelArguments
	for _, item := range strings.Split(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, value, ok := strings.Cut(item, "=")
		if !ok {
			return a, fmt.Errorf("--grpc_channel_arguments: %q is not of the form name=value", item)
		}
		if err := a.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (a *ChannelArguments) set(name, value string) error {
	durations := map[string]*time.Duration{
		"grpc.max_connection_age_ms":                        &a.MaxConnectionAge,
		"grpc.max_connection_age_grace_ms":                  &a.MaxConnectionAgeGrace,
		"grpc.max_connection_idle_ms":                       &a.MaxConnectionIdle,
		"grpc.keepalive_time_ms":                            &a.KeepaliveTime,
		"grpc.keepalive_timeout_ms":                         &a.KeepaliveTimeout,
		"grpc.http2.min_recv_ping_interval_without_data_ms": &a.MinPingInterval,
	}
	sizes := map[string]*int64{
		"grpc.max_receive_message_length": &a.MaxReceiveBytes,
		"grpc.max_send_message_length":    &a.MaxSendBytes,
	}
	duration, isDuration := durations[name]
	size, isSize := sizes[name]
	if !isDuration && !isSize && name != "grpc.keepalive_permit_without_calls" {
		a.Unknown = append(a.Unknown, name)
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < -1 || (n == -1 && !isSize) {
		return fmt.Errorf("--grpc_channel_arguments: %s=%s is not a number that it can have", name, value)
	}
	switch {
	case isDuration && n == math.MaxInt32: // how gRPC writes "never"
		*duration = 0
	case isDuration:
		*duration = time.Duration(n) * time.Millisecond
	case isSize:
		*size = n
	default:
		a.PermitPingsWithoutCalls = n != 0
	}
	return nil
}

func (a *ChannelArguments) maxSendBytes() int {
	if a.MaxSendBytes <= 0 {
		return math.MaxInt32
	}
	return int(a.MaxSendBytes)
}
