package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// topReading is what the status page's stream has told so far.
type topReading struct {
	Hello struct {
		Version string `json:"version"`
		Since   int64  `json:"since"` // milliseconds of Unix time
	}
	State topState
	Tick  *topTick // nil: none yet
}

type topState struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
	Models  []struct {
		Name     string `json:"name"`
		Versions []struct {
			Version int64    `json:"version"`
			State   string   `json:"state"`
			Failed  bool     `json:"failed"`
			Labels  []string `json:"labels"`
		} `json:"versions"`
	} `json:"models"`
	Devices []struct {
		Name   string `json:"name"`
		State  string `json:"state"`
		Memory uint64 `json:"memory"`
	} `json:"devices"`
}

// topFigures are of everything, of a model or of a version; durations are milliseconds, and missing where nothing was measured.
type topFigures struct {
	Requests  float64  `json:"rps"`
	Errors    float64  `json:"eps"`
	Rejected  float64  `json:"rejected"`
	P50       *float64 `json:"p50"`
	P99       *float64 `json:"p99"`
	Queue     int      `json:"queue"`
	Oldest    float64  `json:"oldest"`
	Busy      int      `json:"busy"`
	Instances int      `json:"instances"`
	Batches   float64  `json:"bps"`
	Rows      float64  `json:"rows"`
}

type topTick struct {
	topFigures
	At     int64 `json:"at"`
	Models map[string]struct {
		topFigures
		Versions map[string]topFigures `json:"versions"`
	} `json:"models"`
	Devices map[string]struct {
		Use         *float64 `json:"use"`
		Memory      *float64 `json:"memory"`
		Power       *float64 `json:"power"`
		Temperature *float64 `json:"temperature"`
	} `json:"devices"`
}

// errNoStatusPage tells a server that answers, and not as hoped.
var errNoStatusPage = errors.New("no status page")

// maxEvent is the longest event that is read: a newcomer is told minutes at once.
const maxEvent = 16 << 20

// statusURL is the address of the stream for what people type: localhost:8501, or the URL of the status page.
func statusURL(target string) (string, error) {
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%q is no address of a server, such as localhost:8501", target)
	}
	return u.JoinPath("status", "events").String(), nil
}

// followStatus reads one stream to its end and calls show after each event, with a reading that is its own until it returns.
// The server ends a stream now and then; the error is nil then.
func followStatus(ctx context.Context, address, key string, show func(*topReading)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer resp.Body.Close()
	kind := resp.Header.Get("Content-Type")
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s answers %s: --api_key or %s has to be a key for administration", address, resp.Status, keyVariable)
	case resp.StatusCode == http.StatusServiceUnavailable:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s: %s", address, strings.TrimSpace(string(text)))
	case resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream"):
		return fmt.Errorf("%w: %s answers %s: is it a Shoal, started with --status_page=false or with --admin_port?", errNoStatusPage, address, resp.Status)
	}
	reading, event := new(topReading), ""
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := reading.take(event, []byte(data)); err != nil {
				return fmt.Errorf("%s: event %s: %w", address, event, err)
			}
			show(reading)
		}
	}
	return lines.Err()
}

// take adds what an event tells.
func (r *topReading) take(event string, data []byte) error {
	switch event {
	case "hello":
		return json.Unmarshal(data, &r.Hello)
	case "state":
		r.State = topState{}
		return json.Unmarshal(data, &r.State)
	case "tick":
		r.Tick = new(topTick)
		return json.Unmarshal(data, r.Tick)
	case "history":
		var ticks []json.RawMessage
		if err := json.Unmarshal(data, &ticks); err != nil || len(ticks) == 0 {
			return err
		}
		r.Tick = new(topTick)
		return json.Unmarshal(ticks[len(ticks)-1], r.Tick)
	}
	return nil
}
