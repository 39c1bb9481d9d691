package tensorflow

import (
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc/status"
)

// opPackage is a Python package with ops that TensorFlow does not have.
type opPackage struct {
	name     string   // on the Python package index
	prefixes []string // of its ops' names
	ops      []string // names of ops without such a prefix
	// libraries are the paths of its libraries below the directory in which it is installed; none: it is not loaded automatically.
	libraries []string
}

// opPackages are those that TensorFlow Serving's binary has, and others that models are often made with.
var opPackages = []opPackage{
	{name: "tensorflow-text", prefixes: []string{"TFText>", "Sentencepiece"}, libraries: []string{"tensorflow_text/python/ops/_*.so", "tensorflow_text/python/metrics/_*.so"},
		ops: []string{
			"CaseFoldUTF8", "ConstrainedSequence", "FastBertNormalize", "FastWordpieceTokenizeWithOffsets", "FindSourceOffsets", "MaxSpanningTree",
			"NormalizeUTF8", "NormalizeUTF8WithOffsetsMap", "PhraseTokenize", "RegexSplitWithOffsets", "RougeL", "SentenceFragments",
			"SentenceFragmentsV2", "SplitMergeTokenizeWithOffsets", "TokenizerFromLogits", "UnicodeScriptTokenizeWithOffsets",
			"WhitespaceTokenizeWithOffsets", "WordpieceTokenizeWithOffsets",
		}},
	{name: "tensorflow-decision-forests", prefixes: []string{"SimpleML"}},
	{name: "tensorflow-io", prefixes: []string{"IO>"}},
	{name: "tensorflow-addons", prefixes: []string{"Addons>"}},
	{name: "tensorflow-recommenders-addons", prefixes: []string{"TFRA>"}},
}

func packageOf(op string) *opPackage {
	for i := range opPackages {
		p := &opPackages[i]
		begins := func(prefix string) bool { return strings.HasPrefix(op, prefix) }
		if slices.Contains(p.ops, op) || slices.ContainsFunc(p.prefixes, begins) {
			return p
		}
	}
	return nil
}

var notRegistered = regexp.MustCompile(`Op type not registered '([^']+)'`)

// missingOp returns the op whose absence made a load fail; "": it failed for another reason.
func missingOp(err error) string {
	if m := notRegistered.FindStringSubmatch(status.Convert(err).Message()); m != nil {
		return m[1]
	}
	return ""
}

// opError adds to TensorFlow's error which package has the op, and how to load it. why is the reason why it was not loaded
// automatically.
func opError(err error, op, why string) error {
	text := "the op " + op + " is not one of TensorFlow's own"
	if p := packageOf(op); p != nil {
		text += "; the Python package " + p.name + " has it"
	}
	text += ": load its library with --custom_op_libraries"
	if why != "" {
		text += " (" + why + ")"
	}
	return status.Errorf(status.Code(err), "%s; %s", status.Convert(err).Message(), text)
}
