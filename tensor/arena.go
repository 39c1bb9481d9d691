package tensor

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Arena owns the memory of one request's decoded inputs. It starts with one reference; the last Free returns every block
// to its pool. An arena is filled by one goroutine; Retain and Free are safe from any.
type Arena struct {
	refs   atomic.Int32
	blocks []*[]byte
}

// Blocks come in powers of two from 1 KiB to 64 MiB; larger ones are left to the garbage collector.
const minClass, maxClass = 10, 26

var (
	blockPools [maxClass + 1]sync.Pool
	arenaPool  = sync.Pool{New: func() any { return new(Arena) }}
)

// NewArena takes an empty arena from the pool.
func NewArena() *Arena {
	a := arenaPool.Get().(*Arena)
	a.refs.Store(1)
	return a
}

// Bytes returns n bytes of memory, not zeroed, starting at an 8-byte boundary. Its capacity may be larger.
func (a *Arena) Bytes(n int) []byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		return make([]byte, n)
	}
	p, _ := blockPools[class].Get().(*[]byte)
	if p == nil {
		b := make([]byte, 1<<class)
		p = &b
	}
	a.blocks = append(a.blocks, p)
	return (*p)[:n]
}

// Retain adds a reference: a second owner that calls Free by itself.
func (a *Arena) Retain() { a.refs.Add(1) }

// Free drops a reference. After the last one nothing that came from the arena may be read.
func (a *Arena) Free() {
	if a == nil {
		return
	}
	n := a.refs.Add(-1)
	if n > 0 {
		return
	}
	if n < 0 {
		panic("tensor: arena freed twice")
	}
	for i, p := range a.blocks {
		blockPools[bits.Len(uint(cap(*p)-1))].Put(p)
		a.blocks[i] = nil
	}
	a.blocks = a.blocks[:0]
	arenaPool.Put(a)
}
