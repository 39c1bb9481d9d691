package rewrite

import (
	"io"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Field numbers of SavedModel, MetaGraphDef and GraphDef.
const (
	fieldSchemaVersion protowire.Number = 1
	fieldMetaGraphs    protowire.Number = 2
	fieldGraphDef      protowire.Number = 2
	fieldNode          protowire.Number = 1
)

// Write writes a saved_model.pb that has this meta graph alone. It encodes one node at a time: with constants of hundreds of
// megabytes only the largest is in memory twice. mg is not safe for other use meanwhile.
func Write(w io.Writer, mg *pb.MetaGraphDef) error {
	graph := mg.GraphDef
	nodes := graph.Node
	graph.Node, mg.GraphDef = nil, nil
	defer func() { graph.Node, mg.GraphDef = nodes, graph }()
	marshal := proto.MarshalOptions{Deterministic: true}
	rest, err := marshal.Marshal(mg)
	if err != nil {
		return err
	}
	library, err := marshal.Marshal(graph)
	if err != nil {
		return err
	}
	graphSize := len(library)
	for _, n := range nodes {
		graphSize += protowire.SizeTag(fieldNode) + protowire.SizeBytes(proto.Size(n))
	}
	metaSize := len(rest) + protowire.SizeTag(fieldGraphDef) + protowire.SizeBytes(graphSize)

	head := protowire.AppendTag(nil, fieldSchemaVersion, protowire.VarintType)
	head = protowire.AppendVarint(head, 1)
	head = protowire.AppendTag(head, fieldMetaGraphs, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(metaSize))
	head = append(head, rest...)
	head = protowire.AppendTag(head, fieldGraphDef, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(graphSize))
	head = append(head, library...)
	if _, err := w.Write(head); err != nil {
		return err
	}
	var buf []byte
	for _, n := range nodes {
		buf = protowire.AppendTag(buf[:0], fieldNode, protowire.BytesType)
		buf = protowire.AppendVarint(buf, uint64(proto.Size(n)))
		if buf, err = marshal.MarshalAppend(buf, n); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}
