// Package report presents the outcome of a load test: a document for machines (JSON), a table for the terminal, and one
// self-contained HTML page for people, on screen and on paper.
package report

import (
	"encoding/json"
	"os"
	"time"

	"shoal/loadtest/load"
	"shoal/loadtest/scenario"
)

// Document is everything a reader needs to trust the figures and to make them again.
type Document struct {
	Title   string               `json:"title"`
	Tool    string               `json:"tool"` // name and version of the generator
	Started time.Time            `json:"started"`
	Took    string               `json:"took"`
	Command []string             `json:"command"`
	Seed    uint64               `json:"seed"`
	Machine Machine              `json:"machine"`
	Targets []Target             `json:"targets"`
	Load    string               `json:"load"` // in words: closed loop, 64 clients
	Runs    []Run                `json:"runs"` // those shown in detail
	Search  *scenario.Search     `json:"search,omitempty"`
	Curve   []scenario.Step      `json:"curve,omitempty"`
	Compare *scenario.Comparison `json:"compare,omitempty"`
}

// Target is a server and what was sent to it.
type Target struct {
	Address   string  `json:"address"`
	API       string  `json:"api"`
	Model     string  `json:"model"`
	Version   string  `json:"model_version,omitempty"`
	Server    string  `json:"server,omitempty"` // what it says of itself
	Signature string  `json:"signature,omitempty"`
	Bodies    int     `json:"bodies"`            // different requests, sent in turn
	BodyBytes int     `json:"body_bytes"`        // mean
	Instances float64 `json:"instances"`         // mean per request
	Checked   string  `json:"checked,omitempty"` // how answers were checked
}

// Run is one attack.
type Run struct {
	Name    string        `json:"name"`
	Summary *load.Summary `json:"summary"`
}

// Void is the first reason why a run does not count, "" where all do.
func (d *Document) Void() string {
	for _, r := range d.Runs {
		if r.Summary.Void != "" {
			return r.Name + ": " + r.Summary.Void
		}
	}
	return ""
}

// WriteJSON writes the document to a file.
func (d *Document) WriteJSON(path string) error {
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
