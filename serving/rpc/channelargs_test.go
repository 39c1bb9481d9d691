package rpc

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseChannelArguments(t *testing.T) {
	for in, want := range map[string]ChannelArguments{
		"":                                {},
		"grpc.max_connection_age_ms=2000": {MaxConnectionAge: 2 * time.Second},
		"grpc.max_connection_age_ms=1, grpc.max_connection_age_grace_ms=2,grpc.max_connection_idle_ms=3": {
			MaxConnectionAge: time.Millisecond, MaxConnectionAgeGrace: 2 * time.Millisecond, MaxConnectionIdle: 3 * time.Millisecond},
		"grpc.keepalive_time_ms=10,grpc.keepalive_timeout_ms=20,grpc.keepalive_permit_without_calls=1,grpc.http2.min_recv_ping_interval_without_data_ms=5": {
			KeepaliveTime: 10 * time.Millisecond, KeepaliveTimeout: 20 * time.Millisecond, PermitPingsWithoutCalls: true, MinPingInterval: 5 * time.Millisecond},
		"grpc.max_connection_idle_ms=2147483647":                             {},
		"grpc.max_receive_message_length=-1,grpc.max_send_message_length=10": {MaxReceiveBytes: -1, MaxSendBytes: 10},
		"grpc.so_reuseport=0,foo=bar":                                        {Unknown: []string{"grpc.so_reuseport", "foo"}},
	} {
		if got, err := ParseChannelArguments(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"grpc.max_connection_age_ms", "grpc.max_connection_age_ms=soon", "grpc.max_connection_age_ms=-1", "grpc.keepalive_time_ms=99999999999"} {
		if got, err := ParseChannelArguments(in); err == nil || !strings.Contains(err.Error(), "--grpc_channel_arguments") {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
}
