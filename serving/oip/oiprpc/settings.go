package oiprpc

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
)

// logSettings changes the settings that are sent, and answers with all of them.
func (s *service) logSettings(_ context.Context, req *inferencepb.LogSettingsRequest) (any, error) {
	if s.opts.Log == nil {
		return nil, status.Error(codes.Unimplemented, "the log's settings are not served")
	}
	sent := make(map[string]oip.Value, len(req.GetSettings()))
	for key, v := range req.GetSettings() {
		switch v := v.GetParameterChoice().(type) {
		case *inferencepb.LogSettingsRequest_SettingValue_BoolParam:
			sent[key] = oip.Value{Kind: oip.Bool, Bool: v.BoolParam}
		case *inferencepb.LogSettingsRequest_SettingValue_Uint32Param:
			sent[key] = oip.Value{Kind: oip.Uint, Uint: uint64(v.Uint32Param)}
		case *inferencepb.LogSettingsRequest_SettingValue_StringParam:
			sent[key] = oip.Value{Kind: oip.String, String: v.StringParam}
		}
	}
	all, err := oip.SetLog(s.opts.Log, sent)
	if err != nil {
		return nil, err
	}
	flag := func(b bool) *inferencepb.LogSettingsResponse_SettingValue {
		return &inferencepb.LogSettingsResponse_SettingValue{ParameterChoice: &inferencepb.LogSettingsResponse_SettingValue_BoolParam{BoolParam: b}}
	}
	text := func(t string) *inferencepb.LogSettingsResponse_SettingValue {
		return &inferencepb.LogSettingsResponse_SettingValue{ParameterChoice: &inferencepb.LogSettingsResponse_SettingValue_StringParam{StringParam: t}}
	}
	return &inferencepb.LogSettingsResponse{Settings: map[string]*inferencepb.LogSettingsResponse_SettingValue{
		"log_file": text(all.File), "log_format": text(all.Format), "log_info": flag(all.Info), "log_warning": flag(all.Warning), "log_error": flag(all.Error),
		"log_verbose_level": {ParameterChoice: &inferencepb.LogSettingsResponse_SettingValue_Uint32Param{Uint32Param: all.Verbose}},
	}}, nil
}

// traceSetting tells the settings, which the environment decides.
func (s *service) traceSetting(_ context.Context, req *inferencepb.TraceSettingRequest) (any, error) {
	if len(req.GetSettings()) > 0 {
		return nil, oip.ErrTraceFixed
	}
	resp := &inferencepb.TraceSettingResponse{Settings: map[string]*inferencepb.TraceSettingResponse_SettingValue{}}
	for key, values := range oip.TraceSettings(s.opts.Tracing) {
		resp.Settings[key] = &inferencepb.TraceSettingResponse_SettingValue{Value: values}
	}
	return resp, nil
}
