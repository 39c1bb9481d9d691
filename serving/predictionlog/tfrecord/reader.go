package tfrecord

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader reads records one after the other. The first error is its last answer.
type Reader struct {
	in     io.Reader
	limit  uint64
	record int   // number of the record read last, from 1
	offset int64 // where the next record begins
	data   bytes.Buffer
	err    error
}

// NewReader reads from in, which should be buffered. A record of more than limit bytes is refused; memory grows only with
// the bytes that are there, whatever length a record claims.
func NewReader(in io.Reader, limit int) *Reader { return &Reader{in: in, limit: uint64(limit)} }

// Next returns the data of the next record, valid until the next call. At the end of the file it is io.EOF; a damaged
// record is a *CorruptError.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	data, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	r.offset += int64(headerLen + len(data) + footerLen)
	return data, nil
}

// Record is the number of the record that Next returned last, or failed at, counted from 1.
func (r *Reader) Record() int { return r.record }

func (r *Reader) next() ([]byte, error) {
	var header [headerLen]byte
	n, err := io.ReadFull(r.in, header[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	r.record++
	if err != nil {
		return nil, r.short("its length", err)
	}
	length := binary.LittleEndian.Uint64(header[:])
	if binary.LittleEndian.Uint32(header[8:]) != masked(header[:8]) {
		return nil, r.corrupt("the checksum of its length is wrong")
	}
	if length > r.limit {
		return nil, r.corrupt(fmt.Sprintf("its length of %d bytes is more than the %d that are allowed", length, r.limit))
	}
	r.data.Reset()
	if _, err := io.CopyN(&r.data, r.in, int64(length)+footerLen); err != nil {
		return nil, r.short(fmt.Sprintf("its %d bytes", length), err)
	}
	data := r.data.Bytes()[:length]
	if binary.LittleEndian.Uint32(r.data.Bytes()[length:]) != masked(data) {
		return nil, r.corrupt("the checksum of its data is wrong")
	}
	return data, nil
}

// short tells a file that ends too early from one that cannot be read.
func (r *Reader) short(within string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &CorruptError{Record: r.record, Offset: r.offset, Cut: true, Problem: "the file ends within " + within}
	}
	return fmt.Errorf("record %d at %d: %w", r.record, r.offset, err)
}

func (r *Reader) corrupt(problem string) error {
	return &CorruptError{Record: r.record, Offset: r.offset, Problem: problem}
}
