package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

const (
	keepTicks    = 300             // readings that a new stream gets: five minutes
	keepBytes    = 1 << 20         // bound on their bytes
	maxWatchers  = 64              // streams at the same time
	watcherQueue = 16              // messages that a slow client may be behind
	streamTime   = 5 * time.Minute // longest stream; the browser then asks for the next one
)

// message encodes an event as it is sent.
func message(event string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("web: %s: %v", event, err)) // the types are our own
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, text)
}

// hub sends each message to all streams. A new stream first gets the earlier messages. Messages are encoded once and shared; they
// are read only.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
	closed   bool

	hello, latestState, latestSlow []byte
	ticks                          [][]byte // as JSON, oldest first
	tickBytes                      int
}

func newHub() *hub { return &hub{watchers: make(map[*watcher]bool)} }

// greet sets the first message of every stream.
func (h *hub) greet(msg []byte) { h.hello = msg }

// state sends the state if it has changed.
func (h *hub) state(msg []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !bytes.Equal(msg, h.latestState) {
		h.latestState = msg
		h.send(msg)
	}
}

func (h *hub) slow(msg []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latestSlow = msg
	h.send(msg)
}

func (h *hub) tick(t tick) {
	msg := message("tick", t)
	data := bytes.TrimSuffix(bytes.TrimPrefix(msg, []byte("event: tick\ndata: ")), []byte("\n\n"))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ticks = append(h.ticks, data)
	h.tickBytes += len(data)
	drop := max(0, len(h.ticks)-keepTicks)
	for _, t := range h.ticks[:drop] {
		h.tickBytes -= len(t)
	}
	for ; h.tickBytes > keepBytes && drop < len(h.ticks); drop++ {
		h.tickBytes -= len(h.ticks[drop])
	}
	h.ticks = slices.Delete(h.ticks, 0, drop)
	h.send(msg)
}

// send sends a message to all streams, and ends those that are too far behind. Their clients connect again and get what they
// missed. Called with mu held.
func (h *hub) send(msg []byte) {
	for w := range h.watchers {
		select {
		case w.messages <- msg:
		default:
			h.remove(w)
		}
	}
}

func (h *hub) remove(w *watcher) {
	if h.watchers[w] {
		delete(h.watchers, w)
		close(w.messages)
	}
}

// watch makes a stream that begins with the earlier messages. It returns nil if there are too many streams, or the hub is closed.
func (h *hub) watch() *watcher {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.watchers) >= maxWatchers {
		return nil
	}
	w := &watcher{hub: h, messages: make(chan []byte, watcherQueue), until: time.Now().Add(streamTime)}
	w.rest = slices.Concat([]byte("retry: 1000\n\n"), h.hello, h.latestState, h.latestSlow,
		[]byte("event: history\ndata: ["), bytes.Join(h.ticks, []byte(",")), []byte("]\n\n"))
	h.watchers[w] = true
	return w
}

// close ends every stream.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		h.remove(w)
	}
}

// watcher is the body of one answer. The connection's goroutine reads it and waits in Read for the next message, so a stream
// needs no goroutine of its own. A reading comes every second, so a client that has left is noticed.
type watcher struct {
	hub      *hub
	messages chan []byte // closed by the hub
	rest     []byte      // of the message that is being read
	until    time.Time
}

// Read implements io.Reader.
func (w *watcher) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		msg, more := <-w.messages
		if !more || time.Now().After(w.until) {
			return 0, io.EOF
		}
		w.rest = msg
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// Close ends the stream. The server calls it when the answer has ended.
func (w *watcher) Close() error {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.hub.remove(w)
	return nil
}

// events answers with a stream of server-sent events: hello, state, slow, history, and then state, slow and tick as they come.
func (p *Page) events(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no") // for proxies that buffer answers
	if c.Method() == http.MethodHead {
		return nil
	}
	w := p.hub.watch()
	if w == nil {
		c.Set(fiber.HeaderRetryAfter, "5")
		c.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
		return c.Status(http.StatusServiceUnavailable).SendString("too many watch, or the server is shutting down")
	}
	c.Context().SetBodyStream(w, -1)
	return nil
}
