package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"shoal/savedmodel"
	"shoal/serving"
	"shoal/tensor"
)

// inspect prints what a SavedModel offers. DIR is a version's directory, or a model's, of which the newest version is taken.
func inspect(args []string, stdout, stderr io.Writer) error {
	fs := pflag.NewFlagSet("inspect", pflag.ContinueOnError)
	fs.SetOutput(stderr)
	tags := fs.StringSlice("saved_model_tags", []string{"serve"}, "tags of the meta graph")
	fs.Usage = func() {
		fmt.Fprintf(stderr, "usage: shoal inspect [flags] DIR\n\nDIR is a version's directory, or a model's, of which the newest version is taken.\n\n%s", fs.FlagUsages())
	}
	if err := fs.Parse(args); err != nil {
		return usageOrHelp(err)
	}
	if fs.NArg() != 1 {
		return usageError(fmt.Errorf("one directory is needed: shoal inspect DIR"))
	}
	dir, model := newestVersion(filepath.Clean(fs.Arg(0)))
	mg, err := savedmodel.ReadMetaGraph(dir, *tags)
	if err != nil {
		return plain(err)
	}
	sigs, skipped := savedmodel.Signatures(mg)
	fmt.Fprintf(stdout, "%s\n  tags %s, written by TensorFlow %s\n", dir, strings.Join(mg.GetMetaInfoDef().GetTags(), ","), mg.GetMetaInfoDef().GetTensorflowVersion())
	for _, name := range slices.Sorted(maps.Keys(sigs)) {
		printSignature(stdout, model, sigs[name])
	}
	for _, name := range skipped {
		fmt.Fprintf(stdout, "\nsignature %s: has sparse or composite tensors and is not served\n", name)
	}
	fmt.Fprint(stdout, "\nat load\n")
	report, err := savedmodel.Plan(dir, savedmodel.Options{Tags: *tags})
	if err != nil {
		fmt.Fprintf(stdout, "  loaded as it is: %v\n", plain(err))
		return nil
	}
	var text strings.Builder
	report.Print(&text)
	for line := range strings.Lines(text.String()) {
		fmt.Fprint(stdout, "  "+line)
	}
	return nil
}

func printSignature(w io.Writer, model string, sig *tensor.Signature) {
	fmt.Fprintf(w, "\nsignature %s (%s)\n", sig.Name, sig.Method)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range sig.Inputs {
		fmt.Fprintf(tw, "  input\t%s\t%v\t%s\t%s\n", s.Name, s.DType, shapeText(s), s.TensorName)
	}
	for _, s := range sig.Outputs {
		fmt.Fprintf(tw, "  output\t%s\t%v\t%s\t%s\n", s.Name, s.DType, shapeText(s), s.TensorName)
	}
	tw.Flush()
	if verb, body := exampleRequest(sig); body != "" {
		fmt.Fprintf(w, "  curl -d '%s' http://localhost:8501/v1/models/%s:%s\n", body, model, verb)
	}
}

func shapeText(s tensor.Spec) string {
	if s.UnknownRank {
		return "any shape"
	}
	return s.Shape.String()
}

// exampleRequest makes a body that the signature accepts: zeros and empty strings, unknown dimensions of 1.
func exampleRequest(sig *tensor.Signature) (verb, body string) {
	doc := map[string]any{}
	if sig.Name != "serving_default" {
		doc["signature_name"] = sig.Name
	}
	switch sig.Method {
	case "tensorflow/serving/classify", "tensorflow/serving/regress":
		doc["examples"] = []any{map[string]any{"FEATURE": 1.0}} // what the model parses out of an example is not in the signature
		return strings.TrimPrefix(sig.Method, "tensorflow/serving/"), marshal(doc)
	}
	if len(sig.Inputs) == 0 {
		return "predict", ""
	}
	rows := !slices.ContainsFunc(sig.Inputs, func(s tensor.Spec) bool { return !s.UnknownRank && (len(s.Shape) == 0 || s.Shape[0] != -1) })
	one := map[string]any{}
	for _, s := range sig.Inputs {
		shape := s.Shape
		if rows && len(shape) > 0 {
			shape = shape[1:]
		}
		v := zeros(s.DType, shape)
		if v == nil {
			return "predict", ""
		}
		one[s.Name] = v
	}
	var value any = one
	if len(sig.Inputs) == 1 {
		value = one[sig.Inputs[0].Name]
	}
	if rows {
		doc["instances"] = []any{value}
	} else {
		doc["inputs"] = value
	}
	return "predict", marshal(doc)
}

// zeros is a nested list of zeros, or nil where it would be too long to read.
func zeros(dt tensor.DType, shape tensor.Shape) any {
	if n, ok := shape.Elements(); ok && n > 64 {
		return nil
	}
	if len(shape) == 0 {
		switch dt {
		case tensor.String:
			return ""
		case tensor.Bool:
			return false
		case tensor.Float32, tensor.Float64, tensor.Float16, tensor.BFloat16:
			return json.Number("0.0")
		}
		return 0
	}
	list := make([]any, max(shape[0], 1))
	for i := range list {
		if list[i] = zeros(dt, shape[1:]); list[i] == nil {
			return nil
		}
	}
	return list
}

func marshal(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// newestVersion finds the version's directory and the name of the model that it belongs to.
func newestVersion(dir string) (versionDir, model string) {
	if abs, err := filepath.Abs(dir); err == nil {
		model = filepath.Base(filepath.Dir(abs))
		if _, err := strconv.ParseInt(filepath.Base(abs), 10, 64); err != nil {
			model = filepath.Base(abs)
		}
	}
	versions, err := new(serving.FileSource).Versions(dir)
	if err != nil || len(versions) == 0 {
		return dir, model
	}
	return versions[slices.Max(slices.Collect(maps.Keys(versions)))], model
}
