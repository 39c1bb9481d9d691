package tensor

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Arena owns the memory of one request's decoded inputs: their elements, shapes and headers. It starts with one reference; the
// last Free returns all memory to the pools. One goroutine fills an arena. Any goroutine may call Retain and Free.
type Arena struct {
	refs    atomic.Int32
	blocks  []*[]byte
	tensors []Tensor
	dims    Shape
	lease   Lease
}

// The sizes of blocks are powers of two from 1 KiB to 64 MiB. Larger blocks are not pooled; the garbage collector frees them.
const minClass, maxClass = 10, 26

var (
	blockPools [maxClass + 1]sync.Pool
	arenaPool  = sync.Pool{New: func() any { return new(Arena) }}
)

// Block takes n bytes of memory from the pool, not zeroed. Its capacity may be larger.
func Block(n int) *[]byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		b := make([]byte, n)
		return &b
	}
	p, _ := blockPools[class].Get().(*[]byte)
	if p == nil {
		b := make([]byte, 1<<class)
		p = &b
	}
	*p = (*p)[:n]
	return p
}

// FreeBlock returns a block of Block, with any length, to the pool.
func FreeBlock(p *[]byte) {
	if c := cap(*p); c >= 1<<minClass && c <= 1<<maxClass && c&(c-1) == 0 {
		blockPools[bits.Len(uint(c-1))].Put(p)
	}
}

// NewArena takes an empty arena from the pool.
func NewArena() *Arena {
	a := arenaPool.Get().(*Arena)
	a.refs.Store(1)
	return a
}

// smallBlock is the largest block that is not counted, because the request's first quantum covers it.
const smallBlock = quantum / 2

// Within makes the arena's memory count against the budget until the last Free.
func (a *Arena) Within(b *Budget) { a.lease.Open(b) }

// Use counts n bytes of the request that are not in the arena. Like Bytes it panics if there is no room for them.
func (a *Arena) Use(n int) {
	if n <= smallBlock {
		return
	}
	if err := a.lease.Use(int64(n)); err != nil {
		panic(err)
	}
}

// Guard calls fill and returns its error, or the *OverBudgetError for which Bytes or Use of an arena has panicked in it.
func Guard(fill func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *OverBudgetError:
			err = r
		default:
			panic(r)
		}
	}()
	return fill()
}

// Bytes returns n bytes of memory, not zeroed, that begin at an 8-byte boundary. The capacity may be larger. If the budget of the
// arena has no room for them, Bytes panics with an *OverBudgetError, which Guard turns into an error. It panics because code that
// fills an arena asks for memory in many places.
func (a *Arena) Bytes(n int) []byte {
	a.Use(n)
	p := Block(n)
	a.blocks = append(a.blocks, p)
	return *p
}

// Tensors returns n zero tensors.
func (a *Arena) Tensors(n int) []Tensor {
	from := len(a.tensors)
	for range n {
		a.tensors = append(a.tensors, Tensor{})
	}
	return a.tensors[from:len(a.tensors):len(a.tensors)]
}

// Shape returns a copy of s.
func (a *Arena) Shape(s Shape) Shape {
	from := len(a.dims)
	a.dims = append(a.dims, s...)
	return a.dims[from:len(a.dims):len(a.dims)]
}

// Retain adds a reference. Its owner calls Free.
func (a *Arena) Retain() { a.refs.Add(1) }

// Free drops a reference. After the last Free no memory of the arena may be read.
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
	for _, p := range a.blocks {
		FreeBlock(p)
	}
	a.lease.Free()
	a.lease.budget = nil
	clear(a.blocks)
	clear(a.tensors)
	a.blocks, a.tensors, a.dims = a.blocks[:0], a.tensors[:0], a.dims[:0]
	arenaPool.Put(a)
}

// Take makes the arena own a buffer's memory, so that tensors may refer to it, and counts that memory. The buffer is empty
// afterwards.
func (a *Arena) Take(b *Buffer) {
	if b.block == nil {
		return
	}
	b.Lease.Return(b.used)
	a.lease.Count(b.used)
	a.blocks = append(a.blocks, b.block)
	b.block, b.used = nil, 0
}
