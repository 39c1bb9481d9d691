package serving

import "time"

// Statistics is what a version has done since it became available. Its recorded requests, which warm it up, do not count.
type Statistics struct {
	Last    time.Time // when the last request was answered; zero: none was
	Rows    uint64    // of requests that were run; one without rows counts as one
	Batches uint64    // that were run without an error

	Answered Tally // requests, from their arrival to the answer
	Failed   Tally // requests that this version was found for and that got an error, likewise

	// The phases of requests. Queue and Run are of all that were run, Decode and Encode of those whose protocol measures them.
	Decode, Queue, Run, Encode Tally

	Sizes []SizeStatistics // ascending
}

// SizeStatistics is of the batches with one number of rows.
type SizeStatistics struct {
	Rows int
	Run  Tally // of the batches: gather and run
}

// Tally is how many, and how long all of them took together.
type Tally struct {
	Count uint64
	Time  time.Duration
}

// Infers tells the methods that run a model from questions about it.
func (c *Call) Infers() bool {
	switch c.Method {
	case "Predict", "Classify", "Regress", "MultiInference", "ModelInfer", "ModelStreamInfer":
		return true
	}
	return false
}
