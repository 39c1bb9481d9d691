package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// pages asks for all pages of the server, which must answer whatever else happens.
func (s *site) pages(ctx context.Context) {
	for ctx.Err() == nil {
		for path, want := range map[string]string{
			"/": "<title>", "/status/assets/page.js": "connect", "/status/model?name=mlp": "signatures", "/metrics": "shoal_", "/openapi.json": `"openapi":"3.1.0"`,
			"/healthz": `"status":"ok"`, "/v1/models": `"moving"`, "/v1/models/mlp/metadata": "signature_def", "/readyz": `"ready":true`,
		} {
			req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, s.rest+path, nil)
			if err != nil {
				s.tally.lose("%s: %v", path, err)
				return
			}
			resp, err := s.http.Do(req)
			if err != nil {
				s.tally.lose("%s: %v", path, err)
				continue
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch {
			case err != nil:
				s.tally.lose("%s: %v", path, err)
			case path == "/readyz" && resp.StatusCode == http.StatusServiceUnavailable: // while "passing" is loaded
				s.tally.refuse("/readyz 503")
			case resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want):
				s.tally.mistake("%s: %d %.200s", path, resp.StatusCode, body)
			default:
				s.tally.right("pages")
			}
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// watchers follow the status page's stream for a while, and leave.
func (s *site) watchers(ctx context.Context) {
	for ctx.Err() == nil {
		s.watch(ctx)
	}
}

func (s *site) watch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.rest+"/status/events", nil)
	if err != nil {
		s.tally.lose("the stream: %v", err)
		return
	}
	resp, err := s.http.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			s.tally.lose("the stream: %v", err)
		}
		return
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "event: tick") {
			s.tally.right("events of the status page")
		}
	}
}
