package bodies

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving/predictionlog/tfrecord"
	"shoal/tensor"
	tensorproto "shoal/tensor/proto"
)

const (
	maxRecordBytes = 1<<31 - 1
	maxRecords     = 100_000 // requests held in memory
)

// File is what --body names: a JSON document (one body as it is), several on a line each, or a recorded log.
type File struct {
	JSON []([]byte)
	Log  []*apis_go_proto.PredictRequest
}

// ReadFile tells the forms apart by the content.
func ReadFile(path string) (*File, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := new(File)
	if trimmed := bytes.TrimSpace(content); len(trimmed) > 0 && trimmed[0] == '{' {
		f.JSON = Documents(trimmed)
		return f, nil
	}
	if err := f.readLog(bytes.NewReader(content)); err != nil {
		return nil, fmt.Errorf("%s: neither JSON nor a recorded log: %w", path, err)
	}
	if len(f.Log) == 0 {
		return nil, fmt.Errorf("%s has no Predict requests", path)
	}
	return f, nil
}

// Documents splits JSON lines; where the lines are not each a document, all is one.
func Documents(content []byte) [][]byte {
	var list [][]byte
	for line := range bytes.Lines(content) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if line[0] != '{' || line[len(line)-1] != '}' {
			return [][]byte{content}
		}
		list = append(list, line)
	}
	return list
}

func (f *File) readLog(r io.Reader) error {
	records := tfrecord.NewReader(bufio.NewReader(r), maxRecordBytes)
	for len(f.Log) < maxRecords {
		data, err := records.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var record apis_go_proto.PredictionLog
		if err := proto.Unmarshal(data, &record); err != nil {
			return fmt.Errorf("record %d is no PredictionLog: %w", records.Record(), err)
		}
		if req := record.GetPredictLog().GetRequest(); req != nil {
			f.Log = append(f.Log, req)
		}
	}
	return nil
}

// FromLog turns a recorded request into inputs of the signature.
func FromLog(sig *tensor.Signature, logged *apis_go_proto.PredictRequest) (*Request, error) {
	r := &Request{}
	for _, spec := range sig.Inputs {
		m := logged.Inputs[spec.Name]
		if m == nil {
			return nil, fmt.Errorf("the recorded request has no input %q", spec.Name)
		}
		d := tensorproto.Decoder{Arena: tensor.NewArena(), Left: maxRecordBytes}
		t, err := d.Message(m)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", spec.Name, err)
		}
		r.Inputs = append(r.Inputs, t)
	}
	r.Rows = commonRows(sig, r.Inputs)
	return r, nil
}
