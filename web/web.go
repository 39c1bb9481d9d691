// Package web is the status page. It shows the models and their states, live figures of the last minutes, slow requests and where
// their time went, a form that tries a prediction, and the configuration. All files are embedded; the page loads nothing from
// other servers.
//
// The hooks count with a few atomic additions (calls.go, series.go, slow.go). Once per second Run reads the counts (figures.go)
// and the state (state.go), encodes them once, keeps them for later clients, and sends them to the streams (stream.go). The page
// requests details of a version when they are shown (details.go). The page, its scripts and its styles are in assets (assets.go).
package web

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/serving"
	"shoal/tensor"
)

// interval is how often readings are taken.
const interval = time.Second

var errStarting = status.Error(codes.Unavailable, "the server is starting")

// Options are the settings of a Page. All of them may be left out.
type Options struct {
	Devices    devices.Reader // nil: no device is shown
	Version    string         // the server's own
	TensorFlow string         // the library's version
	Settings   []Setting      // the effective configuration, in the order of the page
	Links      []Link         // to the server's other pages
	// Example makes a request that a signature accepts: the URL's verb and the body, or "" and the reason why there is no
	// example. nil: the form begins empty.
	Example func(*tensor.Signature) (verb, body, why string)
}

// Setting is one line of the effective configuration.
type Setting struct {
	Group   string `json:"group"`
	Name    string `json:"name"` // without dashes
	Value   string `json:"value"`
	Help    string `json:"help,omitempty"`
	Changed bool   `json:"changed,omitempty"` // it was set, and may differ from the default
}

// Link is a page of the same server. Its address is relative to the status page.
type Link struct {
	Text string `json:"text"`
	Href string `json:"href"`
}

// Page holds the figures and the streams. Its methods are safe for concurrent use.
type Page struct {
	opt   Options
	since time.Time
	core  atomic.Pointer[serving.Core]

	series  table     // what is counted, by model and version
	unknown series    // requests for no known model
	slow    slowBoard // the slow requests
	hub     *hub      // the streams

	// usual holds the latencies of about the last minute, fading. Only Run uses it.
	usual histogram
	// read is when figures were read last. Only Run uses it.
	read time.Time

	closing sync.Once
	closed  chan struct{}
}

// New makes a page that counts from now on. It shows models after Watch, and new figures while Run runs.
func New(o Options) *Page {
	p := &Page{opt: o, since: time.Now(), read: time.Now(), hub: newHub(), closed: make(chan struct{})}
	p.hub.greet(message("hello", p.hello()))
	return p
}

// Watch makes the page show the models of core. It is not an option, because the models' loader needs the page's hooks before
// there is a core.
func (p *Page) Watch(core serving.Core) { p.core.Store(&core) }

// models returns the models, or none before Watch.
func (p *Page) models() []serving.ModelStatus {
	if core := p.core.Load(); core != nil {
		return (*core).Models()
	}
	return nil
}

// handle pins a version.
func (p *Page) handle(spec serving.ModelSpec) (*serving.Handle, error) {
	if core := p.core.Load(); core != nil {
		return (*core).Handle(spec)
	}
	return nil, errStarting
}

// Run takes readings and sends them, until ctx ends or Close is called. It may be called once.
func (p *Page) Run(ctx context.Context) {
	defer p.Close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	p.hub.state(message("state", p.state(p.models())))
	for {
		select {
		case now := <-ticker.C:
			p.takeReading(now)
		case <-p.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close ends Run and all streams, so that their connections can be closed. A server calls it before it waits for its connections.
func (p *Page) Close() {
	p.closing.Do(func() {
		close(p.closed)
		p.hub.close()
	})
}

// takeReading reads everything once and sends it.
func (p *Page) takeReading(now time.Time) {
	models := p.models()
	p.hub.state(message("state", p.state(models)))
	p.hub.tick(p.tick(now, models))
	if list, changed := p.slow.collect(p.usual.quantile(0.99)); changed {
		p.hub.slow(message("slow", list))
	}
}

// hello returns the message with what never changes.
func (p *Page) hello() any {
	return struct {
		Version    string    `json:"version"`
		TensorFlow string    `json:"tensorflow"`
		Go         string    `json:"go"`
		Since      int64     `json:"since"` // milliseconds of Unix time
		Every      int64     `json:"every"` // milliseconds
		Keep       int       `json:"keep"`  // ticks
		Settings   []Setting `json:"settings"`
		Links      []Link    `json:"links"`
	}{p.opt.Version, p.opt.TensorFlow, runtime.Version(), p.since.UnixMilli(), interval.Milliseconds(), keepTicks, p.opt.Settings, p.opt.Links}
}
