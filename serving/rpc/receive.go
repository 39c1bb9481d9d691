package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

const (
	// piece is how much of a message is read at once. What has not arrived takes no memory of the budget.
	piece = 256 << 10
	// frameCost is the memory of a frame besides its bytes. There may be one frame per byte.
	frameCost = 128
	// paceWindow is the time that a piece may take in addition to its time at the minimum rate.
	paceWindow = 10 * time.Second
)

// messageStream are methods of grpc-go's stream of a call that are not in the public interface. RecvMsg would read a message
// completely before it could be rejected.
type messageStream interface {
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
	RecvCompress() string
	WriteStatus(*status.Status) error
}

// intake receives one call's message. It holds the call's part of the budget, except its arena's, until the call is answered.
type intake struct {
	lease  tensor.Lease
	header [5]byte // of a message: whether it is compressed, and its length
	plain  tensor.Buffer
}

// receive reads the message of a call that has one into req, as it arrives and as there is memory for it.
func (s *Server) receive(ctx context.Context, in *intake, req any, decode func(any) error) error {
	in.lease.Open(s.opts.Budget)
	if err := in.lease.Use(0); err != nil {
		return err
	}
	stream, ok := grpc.ServerTransportStreamFromContext(ctx).(messageStream)
	if !ok { // a different version of grpc-go
		return tensor.Guard(func() error { return decode(req) })
	}
	if err := readHeader(stream, in); err != nil {
		if err == io.EOF {
			err = status.Error(codes.Internal, "cardinality violation: received no request message from non-client-streaming RPC")
		}
		return err
	}
	data, err := s.readMessage(stream, in)
	if err != nil {
		return err
	}
	var more [1]byte
	if err := stream.ReadMessageHeader(more[:]); err != io.EOF {
		data.Free()
		if err == nil {
			err = status.Error(codes.Internal, "cardinality violation: received multiple request messages for non-client-streaming RPC")
		}
		return broken(err)
	}
	return s.decode(stream, in, data, req)
}

// receiveNext reads the next message of a stream into req. It returns io.EOF after the last one. A stream that waits holds no
// memory.
func (s *Server) receiveNext(ss grpc.ServerStream, in *intake, req any) error {
	stream, ok := grpc.ServerTransportStreamFromContext(ss.Context()).(messageStream)
	if !ok {
		return tensor.Guard(func() error { return ss.RecvMsg(req) })
	}
	if err := readHeader(stream, in); err != nil {
		return err
	}
	in.lease.Open(s.opts.Budget)
	if err := in.lease.Use(0); err != nil {
		return err
	}
	data, err := s.readMessage(stream, in)
	if err != nil {
		return err
	}
	return s.decode(stream, in, data, req)
}

// decode decodes req from a message, and releases the message's memory.
func (s *Server) decode(stream messageStream, in *intake, data mem.BufferSlice, req any) (err error) {
	arrived := in.lease.InUse()
	defer func() {
		data.Free()
		in.plain.Free()
		in.lease.Return(arrived)
	}()
	if in.header[0] != 0 {
		if data, err = s.inflate(stream.RecvCompress(), data, in); err != nil {
			return err
		}
	}
	if _, own := req.(interface{ inArena() }); !own { // whose arena counts for itself
		if err := in.lease.Use(2 * int64(data.Len())); err != nil {
			return err
		}
	}
	return tensor.Guard(func() error {
		if err := s.codec.Unmarshal(data, req); err != nil {
			return status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err)
		}
		return nil
	})
}

// readHeader reads the header of a message. It returns io.EOF if there is no message.
func readHeader(stream messageStream, in *intake) error {
	if err := stream.ReadMessageHeader(in.header[:]); err != nil {
		if err == io.EOF {
			return err
		}
		return broken(err)
	}
	return nil
}

// readMessage reads the message after the header.
func (s *Server) readMessage(stream messageStream, in *intake) (data mem.BufferSlice, err error) {
	length := int(binary.BigEndian.Uint32(in.header[1:]))
	if in.header[0] > 1 {
		return nil, status.Errorf(codes.Internal, "grpc: received unexpected payload format %d", in.header[0])
	}
	if err := s.opts.checkSize(length); err != nil {
		return nil, err
	}
	if length <= piece {
		if err := in.lease.Use(int64(length)); err != nil {
			return nil, err
		}
		data, err = stream.Read(length)
	} else {
		data, err = s.readPieces(stream, length, in)
	}
	if err != nil {
		return nil, broken(err)
	}
	return data, nil
}

// readPieces reads a large message. A piece that takes too long ends the call.
func (s *Server) readPieces(stream messageStream, length int, in *intake) (data mem.BufferSlice, err error) {
	if err := s.opts.Budget.Fits(int64(length)); err != nil {
		return nil, err
	}
	rate := s.opts.MinTransferRate
	limit := time.Duration(math.MaxInt64)
	if rate > 0 {
		limit = paceWindow + time.Duration(piece/rate)*time.Second
	}
	slow := time.AfterFunc(limit, func() {
		_ = stream.WriteStatus(status.Newf(codes.DeadlineExceeded, "The message arrived more slowly than --min_transfer_rate=%d bytes per second", rate))
	})
	defer slow.Stop()
	for left := length; left > 0; slow.Reset(limit) {
		n := min(left, piece)
		if err = in.lease.Use(int64(n)); err != nil {
			break
		}
		var part mem.BufferSlice
		if part, err = stream.Read(n); err != nil {
			break
		}
		data = append(data, part...)
		if err = in.lease.Use(frameCost * int64(len(part))); err != nil {
			break
		}
		left -= n
	}
	if err != nil {
		data.Free()
		return nil, err
	}
	return data, nil
}

// inflate replaces a message by its inflated form.
func (s *Server) inflate(name string, data mem.BufferSlice, in *intake) (mem.BufferSlice, error) {
	if name == "" || name == encoding.Identity {
		return data, status.Error(codes.Internal, "grpc: compressed flag set with identity or empty encoding")
	}
	limit := int(s.opts.maxMessageBytes())
	r := data.Reader()
	defer r.Close()
	z, err := encoding.GetCompressor(name).Decompress(r) // there is a compressor: otherwise the call was rejected
	in.plain = tensor.Buffer{Lease: &in.lease, Most: limit + 1}
	for err == nil {
		var room []byte
		if room, err = in.plain.Room(); err != nil {
			return data, err
		}
		var n int
		if n, err = z.Read(room); n > 0 {
			in.plain.Wrote(n)
		}
		if got := len(in.plain.Bytes()); got > limit {
			more, _ := io.CopyN(io.Discard, z, int64(limit)) // to find its size, unless it is much larger
			return data, s.opts.checkSize(got + int(more))
		}
	}
	if err != io.EOF {
		return data, status.Errorf(codes.Internal, "grpc: failed to decompress the received message: %v", err)
	}
	data.Free()
	return mem.BufferSlice{mem.SliceBuffer(in.plain.Bytes())}, nil
}

// broken returns the error of a message that did not arrive completely.
func broken(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return status.Error(codes.Internal, io.ErrUnexpectedEOF.Error())
	}
	return status.Error(codes.Unavailable, err.Error())
}
