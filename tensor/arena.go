package tensor

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Arena owns the memory of one request's decoded inputs: their elements, and what describes them. It starts with one
// reference; the last Free returns everything to its pool. An arena is filled by one goroutine; Retain and Free are safe
// from any.
type Arena struct {
	refs    atomic.Int32
	blocks  []*[]byte
	tensors []Tensor
	dims    Shape
	lease   Lease
}

// Blocks come in powers of two from 1 KiB to 64 MiB; larger ones are left to the garbage collector.
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

// FreeBlock gives back what Block gave, at whatever length it is now.
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

// smallBlock is the size up to which a block is not counted by itself: the request's first quantum stands for it.
const smallBlock = quantum / 2

// Within makes the arena's memory count against the budget, which holds it until the last Free.
func (a *Arena) Within(b *Budget) { a.lease.Open(b) }

// Use counts n bytes of the request's that lie elsewhere. Like Bytes it panics where there is no room for them.
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

// Bytes returns n bytes of memory, not zeroed, starting at an 8-byte boundary. Its capacity may be larger. Where the arena is
// within a budget that has no room for them it panics with an *OverBudgetError, which Guard catches: what fills an arena asks for
// memory in many places.
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

// Take takes over the memory that a buffer has, so that tensors may lie in it, and counts it from now on. The buffer is empty then.
func (a *Arena) Take(b *Buffer) {
	if b.block == nil {
		return
	}
	b.Lease.Return(b.used)
	a.lease.Count(b.used)
	a.blocks = append(a.blocks, b.block)
	b.block, b.used = nil, 0
}
