package tensor

// minBuffer is the first size of a Buffer; it doubles from there.
const minBuffer = 64 << 10

// Buffer collects bytes that arrive, in a block that is never more than twice as large as what has arrived, whatever was promised.
// It uses a lease. The zero Buffer of a lease is empty. It is for one goroutine at a time.
type Buffer struct {
	Lease *Lease
	Most  int // the size to which it grows at most; 0: no limit

	block *[]byte // nil: none yet
	used  int64   // of the lease
}

// Room is memory for the next bytes, at least one. Where there is none left of Most it is empty.
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

// Wrote takes in the first n bytes of Room.
func (b *Buffer) Wrote(n int) { *b.block = (*b.block)[:len(*b.block)+n] }

// Bytes is what has arrived, until the next call of Room or Free.
func (b *Buffer) Bytes() []byte {
	if b.block == nil {
		return nil
	}
	return *b.block
}

// Free gives the memory back; the buffer is then empty.
func (b *Buffer) Free() {
	if b.block != nil {
		FreeBlock(b.block)
		b.Lease.Return(b.used)
		b.block, b.used = nil, 0
	}
}
