// Package tfrecord reads and writes TFRecord files, a sequence of byte strings, each framed as
//
//	length  uint64, little-endian
//	        masked CRC-32C of the length
//	data    length bytes
//	        masked CRC-32C of the data
//
// Compressed files are not read: TensorFlow Serving does not take them either.
package tfrecord

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	headerLen = 12 // the length and its checksum
	footerLen = 4  // the checksum of the data
)

// CorruptError is returned for bytes that are no whole, undamaged record.
type CorruptError struct {
	Record  int   // counted from 1
	Offset  int64 // where the record begins in the file
	Cut     bool  // the file ends within the record
	Problem string
}

func (e *CorruptError) Error() string {
	what, hint := "corrupted", ""
	if e.Cut {
		what = "truncated"
	}
	if e.Offset == 0 {
		hint = " (Is this even a TFRecord file?)"
	}
	return fmt.Sprintf("%s record at %d, number %d in the file: %s%s", what, e.Offset, e.Record, e.Problem, hint)
}

// GRPCStatus makes it a DATA_LOSS.
func (e *CorruptError) GRPCStatus() *status.Status { return status.New(codes.DataLoss, e.Error()) }

// Append writes data to dst as one record.
func Append(dst, data []byte) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = le.AppendUint64(dst, uint64(len(data)))
	dst = le.AppendUint32(dst, masked(dst[start:]))
	dst = append(dst, data...)
	return le.AppendUint32(dst, masked(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as it is stored. It is rotated and shifted by a constant because the CRC of bytes that contain
// their own CRC is a bad check.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
