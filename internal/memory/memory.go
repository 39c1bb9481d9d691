// Package memory gives free memory back to the system.
package memory

// #include <malloc.h>
import "C"

import "runtime/debug"

// Release gives memory that is free but still held, by Go and by the C library, back to the system. It takes some milliseconds: call
// it after a model was warmed up, when what loading it needed is free, and after one was closed.
func Release() {
	debug.FreeOSMemory()
	C.malloc_trim(0)
}
