package tensorflow

import (
	"encoding/binary"
	"slices"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

func setOf(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// readingOps have state, or take a handle to it, and change nothing that outlives the run. What functions they call is looked at
// by itself.
var readingOps = setOf(
	"VarHandleOp", "_VarHandlesOp", "ReadVariableOp", "_ReadVariablesOp", "VarIsInitializedOp", "VariableShape", "ResourceGather", "ResourceGatherNd",
	"Variable", "VariableV2", "IsVariableInitialized", "RefIdentity", "RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefSelect",
	"HashTable", "HashTableV2", "MutableHashTable", "MutableHashTableV2", "MutableHashTableOfTensors", "MutableHashTableOfTensorsV2",
	"MutableDenseHashTable", "MutableDenseHashTableV2",
	"LookupTableFind", "LookupTableFindV2", "LookupTableSize", "LookupTableSizeV2", "LookupTableExport", "LookupTableExportV2",
	"PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase", "For",
	"Stack", "StackV2", "StackPush", "StackPushV2", "StackPop", "StackPopV2", "StackClose", "StackCloseV2", // of one run
	"BoostedTreesEnsembleResourceHandleOp", "IsBoostedTreesEnsembleInitialized", "BoostedTreesPredict",
	"Assert", "Print", "CheckNumerics", "CheckNumericsV2",
)

// randomOps give other results in each run, unless they have a seed: then in a sequence that every run continues.
var randomOps = setOf(
	"RandomUniform", "RandomUniformInt", "RandomStandardNormal", "ParameterizedTruncatedNormal", "TruncatedNormal", "RandomShuffle",
	"RandomGamma", "RandomPoisson", "RandomPoissonV2", "Multinomial", "RandomCrop", "SampleDistortedBoundingBox", "SampleDistortedBoundingBoxV2",
	"UniformCandidateSampler", "LogUniformCandidateSampler", "FixedUnigramCandidateSampler", "AllCandidateSampler",
)

// decodesImages are the ops that read pictures, and a format that they read.
var decodesImages = map[string]string{
	"DecodeJpeg": "jpeg", "DecodeAndCropJpeg": "jpeg", "DecodeImage": "jpeg", "DecodePng": "png",
}

// reducingOps have an axis as their second input; along dimension 0 they join rows.
var reducingOps = setOf(
	"Sum", "Mean", "Max", "Min", "Prod", "All", "Any", "EuclideanNorm", "ArgMax", "ArgMin", "Cumsum", "Cumprod", "CumulativeLogsumexp", "ReverseV2",
)

// mixingOps may join rows whatever their attributes say.
var mixingOps = setOf(
	"TopK", "TopKV2", "Sort", "Unique", "UniqueV2", "UniqueWithCounts", "UniqueWithCountsV2", "Where", "DynamicPartition", "DynamicStitch",
	"RaggedTensorToTensor", "RaggedTensorToSparse", "RaggedTensorFromVariant", "SparseToDense", "StringSplit", "StringSplitV2",
	"SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin", "SegmentProd", "UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin",
	"Reverse", "Roll", "RandomShuffle", "InTopK", "InTopKV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5",
	"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "Batch", "BatchFunction", "InvertPermutation", "MatrixInverse",
)

// mixes says whether the op may let one row influence another, as far as the graph tells without shapes.
func (b *body) mixes(n *bareNode) bool {
	switch {
	case mixingOps[n.op]:
		return true
	case reducingOps[n.op] && len(n.inputs) >= 2:
		axes, ok := b.integers(tensorNode(n.inputs[1]))
		return !ok || slices.Contains(axes, 0)
	case n.op == "FusedBatchNormV3" || n.op == "FusedBatchNormV2" || n.op == "FusedBatchNorm":
		a := n.decode().GetAttr()["is_training"]
		return a == nil || a.GetB() // statistics of the batch
	}
	return false
}

// integers are the values of a constant of type int32 or int64.
func (b *body) integers(name string) (list []int64, ok bool) {
	i := slices.IndexFunc(b.nodes, func(n bareNode) bool { return n.name == name && n.op == "Const" })
	if i < 0 {
		return nil, false
	}
	t := b.nodes[i].decode().GetAttr()["value"].GetTensor()
	if t.GetDtype() != types_go_proto.DataType_DT_INT32 {
		return nil, false
	}
	for _, v := range t.GetIntVal() {
		list = append(list, int64(v))
	}
	for raw := t.GetTensorContent(); len(raw) >= 4; raw = raw[4:] {
		list = append(list, int64(int32(binary.LittleEndian.Uint32(raw))))
	}
	if len(list) == 0 && len(t.GetTensorShape().GetDim()) == 0 {
		list = []int64{0} // a scalar zero is not written
	}
	return list, true
}
