package bundle

import (
	"errors"
	"io/fs"
	"path/filepath"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
)

// PerModelFile is the file in a version's directory that OwnBatching reads: BatchingParameters as a text proto.
const PerModelFile = "batching_params.pbtxt"

// batching is how this version is batched, where its largest batch comes from ("": nowhere yet), and which signatures are.
func (l *loader) batching() (c batcher.Config, from string, mode Mode, err error) {
	c = l.Batching
	if l.Priorities != nil {
		c.Priorities = l.Priorities(l.model)
	}
	if c.MaxBatchSize > 0 {
		from = l.BatchingFrom
	}
	if l.Batch != BatchNone && l.OwnBatching != nil {
		own, err := l.OwnBatching(filepath.Join(l.dir, PerModelFile))
		if errors.Is(err, fs.ErrNotExist) {
			return c, "", BatchNone, nil
		}
		if err != nil {
			return c, "", BatchNone, status.Errorf(codes.InvalidArgument, "%s: %v", PerModelFile, err)
		}
		own.Priorities = c.Priorities
		c, from = own, PerModelFile
		c.MaxQueuedRows, c.Objective, c.Memory = l.Batching.MaxQueuedRows, l.Batching.Objective, l.Batching.Memory
		c.StuckAfter, c.Logger = l.Batching.StuckAfter, l.Batching.Logger
		return c, from, BatchAll, nil
	}
	return c, from, l.Batch, nil
}
