package main

import "os"

// ballastSize is how much garbage may gather, beside as much as lives, before it is collected.
const ballastSize = 64 << 20

// ballast keeps the collector from running all the time. What lives in Go's heap is a few megabytes, since models lie in
// TensorFlow's memory and requests in pools; a heap that may only double would be collected tens of times a second under
// load, at a sixth of the processor time. This memory counts as living and is never touched, so that it takes none. Unlike
// a higher GOGC it does not let a large heap grow by a multiple. A GOGC or GOMEMLIMIT in the environment is left alone.
func ballast() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, ballastSize)
}
