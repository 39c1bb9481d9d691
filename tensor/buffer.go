package tensor

// minBuffer is the first size of a Buffer; it doubles from there.
const minBuffer = 64 << 10

// Buffer collects bytes as they arrive. Its block is never more than twice as large as what has arrived, whatever length was
// announced. Its memory counts for a lease. The zero Buffer of a lease is empty. One goroutine at a time may use it.
type Buffer struct {
	Lease *Lease
	Most  int // the size to which it grows at most; 0: no limit

	block *[]byte // nil: none yet
	used  int64   // of the lease
}

// Room returns memory for the next bytes, at least one. It is empty if Most bytes have arrived.
func (b *Buffer) Room() ([]byte, error) {
	if b.block == nil {
		return b.grow(minBuffer)
	}
	have := *b.block
	if len(have) < cap(have) {
		return have[len(have):cap(have)], nil
	}
	return b.grow(2 * cap(have))
}

func (b *Buffer) grow(size int) ([]byte, error) {
	if b.Most > 0 && size > b.Most {
		if size = b.Most; size <= len(b.Bytes()) {
			return nil, nil
		}
	}
	if err := b.Lease.Use(int64(size)); err != nil {
		return nil, err
	}
	block := Block(size)
	n := copy(*block, b.Bytes())
	*block = (*block)[:n]
	used := b.used
	if b.block != nil {
		FreeBlock(b.block)
		b.Lease.Return(used)
	}
	b.block, b.used = block, int64(size)
	return (*block)[n:size:size], nil
}

// Wrote adds the first n bytes of Room.
func (b *Buffer) Wrote(n int) { *b.block = (*b.block)[:len(*b.block)+n] }

// Bytes returns what has arrived. It is valid until the next call of Room or Free.
func (b *Buffer) Bytes() []byte {
	if b.block == nil {
		return nil
	}
	return *b.block
}

// Free frees the memory. The buffer is empty afterwards.
func (b *Buffer) Free() {
	if b.block != nil {
		FreeBlock(b.block)
		b.Lease.Return(b.used)
		b.block, b.used = nil, 0
	}
}
