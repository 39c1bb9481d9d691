package load

// ring is a first-in-first-out queue that reuses its memory.
type ring[T any] struct {
	items       []T
	first, size int
}

func (r *ring[T]) len() int { return r.size }

func (r *ring[T]) push(v T) {
	if r.size == len(r.items) {
		bigger := make([]T, max(64, 2*len(r.items)))
		for i := range r.size {
			bigger[i] = r.items[(r.first+i)%len(r.items)]
		}
		r.items, r.first = bigger, 0
	}
	r.items[(r.first+r.size)%len(r.items)] = v
	r.size++
}

// pop takes the oldest of at least one.
func (r *ring[T]) pop() T {
	v := r.items[r.first]
	r.first = (r.first + 1) % len(r.items)
	r.size--
	return v
}
