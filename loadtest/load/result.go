package load

import "time"

// Outcome is what became of a request. Only Good ones are throughput.
type Outcome uint8

// The outcomes.
const (
	Good     Outcome = iota
	Refused          // answered with another code than 200 or OK
	Wrong            // answered with 200, and the checker says no
	TimedOut         // not answered within the timeout
	Broken           // the connection could not be made, or ended before the answer
	outcomes
)

var outcomeNames = [outcomes]string{"good", "refused", "wrong", "timed out", "broken"}

// String is the outcome in words.
func (o Outcome) String() string { return outcomeNames[o] }

// Result is one request. Times count from the start of the attack.
type Result struct {
	Due     time.Duration // when it should have been sent; in a closed loop, when it was
	Noticed time.Duration // when the generator came to it: anything after Due is the generator's own lateness
	Sent    time.Duration // when it was written: after Noticed it waited for a free client
	Done    time.Duration
	Outcome Outcome
	Warmup  bool
	Code    int32 // HTTP status, or gRPC code
	Rows    int32 // instances sent
	Server  ServerTimes
}

// Latency is what a user who came at the due time waited.
func (r *Result) Latency() time.Duration { return r.Done - r.Due }

// ServerTimes are what the server itself tells in its answer's headers. Batch is 0 where it does not.
type ServerTimes struct {
	Batch                      int32 // rows of the batch that the request travelled in
	Decode, Queue, Run, Encode Micros
}

// Micros is a duration in microseconds, compact in the many results.
type Micros int32

// Duration is m as a time.Duration.
func (m Micros) Duration() time.Duration { return time.Duration(m) * time.Microsecond }

// collector gathers the results of one sender into blocks.
type collector struct {
	out   chan<- []Result
	block []Result
}

func (c *collector) add(r *Result) {
	if c.block == nil {
		c.block = make([]Result, 0, blockSize)
	}
	c.block = append(c.block, *r)
	if len(c.block) == blockSize {
		c.flush()
	}
}

func (c *collector) flush() {
	if len(c.block) > 0 {
		c.out <- c.block
		c.block = nil
	}
}
