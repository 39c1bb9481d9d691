package predictionlog

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	userfiles "shoal/internal/files"
	"shoal/serving"
	"shoal/serving/inference"
	"shoal/serving/predictionlog/tfrecord"
)

// WarmUpFile is where a version's directory has the requests to warm it with.
const WarmUpFile = "assets.extra/tf_serving_warmup_requests"

const (
	maxWarmUpRecords = 1000 // TensorFlow Serving's limit
	maxRecordBytes   = userfiles.MaxMessage
	warmUpBuffer     = 1 << 20
)

// WarmUpOptions say how a warm-up file is run.
type WarmUpOptions struct {
	Iterations      int          // how often each request is run (--num_request_iterations_for_warmup); below 1: once
	CheckMethodName bool         // as for requests (--enable_signature_method_name_check)
	Logger          *slog.Logger // nil: nothing is logged
}

// WarmUp runs every request of the warm-up file in a version's directory on its servable, one after the other, and returns
// how many records there were; without such a file it does nothing. The model's name and version in a record do not
// matter. The error, a gRPC status, names the record that is damaged, cannot be run or has failed.
func WarmUp(ctx context.Context, dir string, s serving.Servable, o WarmUpOptions) (records int, err error) {
	path := filepath.Join(dir, WarmUpFile)
	file, err := userfiles.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, status.Errorf(codes.FailedPrecondition, "the warm-up requests cannot be read: %v", err)
	}
	defer file.Close()
	began := time.Now()
	w := warmUp{path: path, iterations: max(o.Iterations, 1)}
	// Requests are checked as a client's are; a handle without a version, because nobody reads the answers.
	w.handle = serving.NewHandle(s, "", 0, nil)
	w.checkMethodName = o.CheckMethodName
	records, err = w.runAll(ctx, tfrecord.NewReader(bufio.NewReaderSize(file, warmUpBuffer), maxRecordBytes))
	if err == nil && o.Logger != nil {
		o.Logger.Info("warm-up requests run", slog.String("file", path), slog.Int("requests", records),
			slog.Int("iterations", w.iterations), slog.Duration("took", time.Since(began)))
	}
	return records, err
}

type warmUp struct {
	handle          *serving.Handle
	path            string
	iterations      int
	checkMethodName bool
}

func (w *warmUp) runAll(ctx context.Context, in *tfrecord.Reader) (n int, err error) {
	for {
		data, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, w.unreadable(err)
		case n == maxWarmUpRecords:
			return n, status.Errorf(codes.InvalidArgument, "Number of warmup records exceeds the maximum (%d) at %s", maxWarmUpRecords, w.path)
		}
		var log apis_go_proto.PredictionLog
		if err := proto.Unmarshal(data, &log); err != nil {
			return n, w.failed(in.Record(), status.Error(codes.InvalidArgument, "Failed to parse warmup record: it is no PredictionLog"))
		}
		for range w.iterations {
			if err := ctx.Err(); err != nil {
				return n, w.failed(in.Record(), status.FromContextError(err).Err())
			}
			if err := w.run(ctx, &log); err != nil {
				return n, w.failed(in.Record(), err)
			}
		}
		n++
	}
}

// run runs one request. A record without any is none to complain about, as in TensorFlow Serving.
func (w *warmUp) run(ctx context.Context, log *apis_go_proto.PredictionLog) error {
	switch log := log.GetLogType().(type) {
	case *apis_go_proto.PredictionLog_PredictLog:
		return runPredict(ctx, w.handle, log.PredictLog.GetRequest())
	case *apis_go_proto.PredictionLog_ClassifyLog:
		r := log.ClassifyLog.GetRequest()
		return w.infer(ctx, r.GetInput(), inference.Request{Method: inference.Classify, Signature: r.GetModelSpec().GetSignatureName()})
	case *apis_go_proto.PredictionLog_RegressLog:
		r := log.RegressLog.GetRequest()
		return w.infer(ctx, r.GetInput(), inference.Request{Method: inference.Regress, Signature: r.GetModelSpec().GetSignatureName()})
	case *apis_go_proto.PredictionLog_MultiInferenceLog:
		r := log.MultiInferenceLog.GetRequest()
		return w.infer(ctx, r.GetInput(), inference.Request{Method: inference.MultiInference, Tasks: r.GetTasks()})
	case *apis_go_proto.PredictionLog_SessionRunLog:
		return unsupported("session_run_log")
	case *apis_go_proto.PredictionLog_PredictStreamedLog:
		return unsupported("predict_streamed_log")
	}
	return nil
}

func unsupported(kind string) error {
	return status.Errorf(codes.Unimplemented, "Unsupported log_type for warmup: %s", kind)
}

func (w *warmUp) failed(record int, err error) error {
	s := status.Convert(err)
	return status.Errorf(s.Code(), "warm-up request %d in %s: %s", record, w.path, s.Message())
}

func (w *warmUp) unreadable(err error) error {
	if _, ok := errors.AsType[*tfrecord.CorruptError](err); ok {
		return status.Errorf(codes.DataLoss, "%s: %v. Please verify your warmup data is in TFRecord format.", w.path, err)
	}
	return status.Errorf(codes.FailedPrecondition, "the warm-up requests in %s cannot be read: %v", w.path, err)
}
