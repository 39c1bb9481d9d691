package batcher

import (
	"fmt"
	"sync/atomic"

	"shoal/tensor"
)

// Memory bounds the bytes of the inputs that wait, in all batchers that share it. An entry of any size is accepted while fewer
// bytes than the limit wait. A nil Memory has no bound and counts nothing. It is safe for concurrent use.
type Memory struct {
	limit   int64
	waiting atomic.Int64
}

// NewMemory allows limit bytes to wait; below 1 means no limit.
func NewMemory(limit int64) *Memory {
	if limit < 1 {
		return nil
	}
	return &Memory{limit: limit}
}

// full returns the reason why nothing more is accepted, or "" if there is room.
func (m *Memory) full() string {
	if m == nil {
		return ""
	}
	if waiting := m.waiting.Load(); waiting >= m.limit {
		return fmt.Sprintf("currently inputs of %d bytes are waiting and max_queued_bytes is %d", waiting, m.limit)
	}
	return ""
}

func (m *Memory) add(n int64) {
	if m != nil {
		m.waiting.Add(n)
	}
}

// measure returns the bytes of an entry's inputs.
func (m *Memory) measure(inputs []tensor.Tensor) (n int64) {
	if m == nil {
		return 0
	}
	for i := range inputs {
		n += inputs[i].Bytes()
	}
	return n
}
