package tfrecord

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const limit = 1 << 20

func read(in io.Reader) (records [][]byte, err error) {
	r := NewReader(in, limit)
	for {
		data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			if _, again := r.Next(); again != err {
				return records, errors.New("the reader went on after an error")
			}
			return records, err
		}
		records = append(records, bytes.Clone(data))
	}
}

func file(records ...[]byte) (f []byte) {
	for _, r := range records {
		f = Append(f, r)
	}
	return f
}

// TestTensorFlow reads what tf.io.TFRecordWriter wrote, and writes the same bytes.
func TestTensorFlow(t *testing.T) {
	want, err := os.ReadFile("testdata/tensorflow.tfrecord")
	if err != nil {
		t.Fatal(err)
	}
	records, err := read(bytes.NewReader(want))
	if err != nil || len(records) != 6 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, r := range records[:5] {
		for k, b := range r {
			if len(r) != i || int(b) != i+k {
				t.Errorf("record %d is %v", i, r)
			}
		}
	}
	if len(records[5]) != 5000 {
		t.Errorf("the last record has %d bytes", len(records[5]))
	}
	if !bytes.Equal(file(records...), want) {
		t.Error("Append writes other bytes than TensorFlow")
	}
}

func TestReadPiecemeal(t *testing.T) {
	want := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("three"), 1000)}
	got, err := read(iotest.OneByteReader(bytes.NewReader(file(want...))))
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := read(strings.NewReader("")); err != nil || len(got) != 0 {
		t.Errorf("an empty file: %q, %v", got, err)
	}
}

// TestCorruption flips each bit of a file and cuts it at each place: no damage passes, and the error says where it is.
func TestCorruption(t *testing.T) {
	first, second := Append(nil, []byte("first")), Append(nil, []byte("the second"))
	whole := slices.Concat(first, second)
	check := func(damaged []byte, at int, cut bool) {
		t.Helper()
		records, err := read(bytes.NewReader(damaged))
		corrupt, ok := errors.AsType[*CorruptError](err)
		if !ok {
			t.Fatalf("byte %d: %v", at, err)
		}
		want := CorruptError{Record: 1, Cut: cut, Problem: corrupt.Problem}
		if at >= len(first) {
			want.Record, want.Offset = 2, int64(len(first))
		}
		if *corrupt != want || len(records) != want.Record-1 {
			t.Errorf("byte %d: %v after %d records", at, err, len(records))
		}
		if status.Code(err) != codes.DataLoss {
			t.Errorf("the code of %v is %v", err, status.Code(err))
		}
	}
	for at := range whole {
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 1 << bit
			check(damaged, at, false)
		}
		if at != 0 && at != len(first) {
			check(whole[:at], at, true)
		}
	}
}

func TestMessages(t *testing.T) {
	good := Append(nil, []byte("good"))
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"text", []byte("[1, 2, 5] is no record"), "corrupted record at 0, number 1 in the file: the checksum of its length is wrong (Is this even a TFRecord file?)"},
		{"cut", append(good, good[:5]...), "truncated record at 20, number 2 in the file: the file ends within its length"},
		{"cut in the data", append(good, good[:15]...), "truncated record at 20, number 2 in the file: the file ends within its 4 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := read(bytes.NewReader(c.file)); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// claim is the head of a record that says to have n bytes, with the right checksum.
func claim(n uint64) []byte {
	head := binary.LittleEndian.AppendUint64(nil, n)
	return binary.LittleEndian.AppendUint32(head, masked(head))
}

func TestHostileLength(t *testing.T) {
	for _, n := range []uint64{limit + 1, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		_, err := read(bytes.NewReader(claim(n)))
		if corrupt, ok := errors.AsType[*CorruptError](err); !ok || corrupt.Cut || !strings.Contains(err.Error(), "more than the 1048576 that are allowed") {
			t.Errorf("%d: %v", n, err)
		}
	}
	// A length that is allowed takes no more memory than the bytes that follow need.
	r := NewReader(bytes.NewReader(append(claim(1<<40), "short"...)), 1<<41)
	if _, err := r.Next(); err == nil {
		t.Error("a record of 5 bytes passed for one of 1 TiB")
	}
	if r.data.Cap() > 64<<10 {
		t.Errorf("%d bytes of memory for a record of 5", r.data.Cap())
	}
}

func TestUnreadable(t *testing.T) {
	broken := errors.New("the disk is gone")
	in := io.MultiReader(bytes.NewReader(file([]byte("one"))), bytes.NewReader(claim(100)), iotest.ErrReader(broken))
	records, err := read(in)
	if _, corrupt := errors.AsType[*CorruptError](err); corrupt || !errors.Is(err, broken) || len(records) != 1 {
		t.Errorf("%d records, %v", len(records), err)
	}
	if want := "record 2 at 19: the disk is gone"; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(file([]byte("one"), nil, []byte("three")))
	f.Add(claim(1 << 19))
	f.Fuzz(func(t *testing.T, in []byte) {
		records, err := read(bytes.NewReader(in))
		if err == nil && !bytes.Equal(file(records...), in) {
			t.Error("the records read do not make the file again")
		}
	})
}
