package serving

import (
	"context"
	"strconv"
	"time"

	"shoal/batcher"
)

// NoVersion is the Version of a Call that no version answered.
const NoVersion = -1

// The APIs, as metrics, logs and the status page name them.
const (
	REST = "REST"
	GRPC = "gRPC"
)

// Call is one request of a client, whatever the protocol. The protocol fills it in as the request is answered, and shows it to its
// Observer. Protocols reuse calls.
type Call struct {
	Context   context.Context // of the request, with what Observer.Begin added; nil: none
	API       string          // REST or GRPC
	Method    string          // Predict, Classify, Regress, MultiInference, GetModelStatus, …; "" if there is no such method
	Model     string          // as the request names it: there may be no such model; "" if it names none
	Version   int64           // the pinned version, or NoVersion
	Signature string          // of that version; "" until it is known
	Examples  int             // of Classify, Regress and MultiInference
	Rows      int             // of Predict
	BatchRows int             // that ran together with Predict's, its own included; 0: not known
	Err       error           // nil, or what was answered
	Start     time.Time       // when the request's headers had arrived
	Duration  time.Duration   // until the answer was complete

	// The completed phases; 0: not measured. Classify, Regress and MultiInference have their wait in Run.
	Decode, Queue, Run, Encode time.Duration

	Handle *Handle       // the pinned version; nil: none
	Entry  batcher.Entry // of Predict, once the request is decoded

	// Exchange is the request and its answer; nil: not known.
	Exchange Exchange

	lap time.Time // when Lap was last called
}

// Exchange is a call's request and answer, as its protocol knows them. It is valid until Observer.Done returns.
type Exchange interface {
	// Header returns a header (metadata) of the request; "": not sent.
	Header(name string) string
	// SetHeader sets a header of the answer. It may be called by Observer.Begin.
	SetHeader(name, value string)
	// Facts describes both messages. It may be called by Observer.Done, and allocates memory.
	Facts() Facts
}

// Facts are what traces and logs of single calls show of the messages.
type Facts struct {
	RequestID string // "": none
	Received  int    // bytes of the request's body or message; 0: none, or not known
	Sent      int    // bytes of the answer's

	// Of HTTP only.
	Verb   string
	Path   string // as it was sent, without the query
	Status int
}

// Facts returns the exchange's facts, or none if the exchange is not known.
func (c *Call) Facts() Facts {
	if c.Exchange == nil {
		return Facts{}
	}
	return c.Exchange.Facts()
}

// Lap returns the time since the last lap, or since the start, and begins a new lap.
func (c *Call) Lap() time.Duration {
	now, from := time.Now(), c.lap
	if from.IsZero() {
		from = c.Start
	}
	c.lap = now
	return now.Sub(from)
}

// AppendTiming appends the phases as the value of a Server-Timing header: "decode;dur=0.012, queue;dur=…", in milliseconds. The wait
// in the queue is shown if the rows of the batch are known.
func (c *Call) AppendTiming(b []byte) []byte {
	b = appendPhase(b, "decode;dur=", c.Decode)
	if c.BatchRows > 0 {
		b = appendPhase(b, ", queue;dur=", c.Queue)
	}
	b = appendPhase(b, ", run;dur=", c.Run)
	return appendPhase(b, ", encode;dur=", c.Encode)
}

// appendPhase prints d in milliseconds with the microseconds as decimals.
func appendPhase(b []byte, name string, d time.Duration) []byte {
	us := max(0, d.Microseconds())
	b = strconv.AppendInt(append(b, name...), us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}
