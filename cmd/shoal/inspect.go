package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"shoal/configs"
	"shoal/engine"
	"shoal/engine/tensorflow"
	"shoal/serving/bundle"
	"shoal/serving/openapi"
	"shoal/tensor"
)

// inspect prints what a SavedModel offers. DIR is a version's directory, or a model's, of which the newest version is taken.
func inspect(args []string, stdout, stderr io.Writer) error {
	models := configs.Default().Models
	fs, tags, gain, way := inspectFlags()
	fs.StringVar(&models.CacheDir, "model_cache_dir", "", "where archives are downloaded to and unpacked; default: the user's cache directory")
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stdout, "usage: shoal inspect [flags] DIR\n\nDIR is a version's directory, or a model's, of which the newest version is taken.\nIt may be an archive (.tar.gz, .zip), or the http:// or https:// URL of one.\n\n%s", fs.FlagUsages())
	}
	if err := fs.Parse(args); err != nil {
		return usageOrHelp(err)
	}
	if fs.NArg() != 1 {
		return usageError(fmt.Errorf("one directory is needed: shoal inspect DIR"))
	}
	dir, model, release, err := fetchNewest(context.Background(), &models, fs.Arg(0))
	if err != nil {
		return plain(err)
	}
	defer release()
	if *way != "" {
		return printReport(stdout, *way, dir, *tags)
	}
	mg, err := tensorflow.ReadMetaGraph(dir, *tags)
	if err != nil {
		return plain(err)
	}
	d := tensorflow.Describe(mg)
	fmt.Fprintf(stdout, "%s\n  tags %s, written by TensorFlow %s\n", dir, strings.Join(mg.GetMetaInfoDef().GetTags(), ","), mg.GetMetaInfoDef().GetTensorflowVersion())
	natures := tensorflow.Study(dir, *tags, d.Signatures)
	for _, name := range slices.Sorted(maps.Keys(d.Signatures)) {
		printSignature(stdout, model, d.Signatures[name], natures[name])
	}
	for _, name := range slices.Sorted(maps.Keys(d.Skipped)) {
		fmt.Fprintf(stdout, "\nsignature %s: has sparse or composite tensors and is not served\n", name)
	}
	fmt.Fprint(stdout, "\nat load\n")
	report, err := tensorflow.Plan(dir, tensorflow.Options{Tags: *tags})
	if err != nil {
		fmt.Fprintf(stdout, "  loaded as it is: %v\n", plain(err))
	} else {
		var text strings.Builder
		report.Print(&text)
		for line := range strings.Lines(text.String()) {
			fmt.Fprint(stdout, "  "+line)
		}
	}
	if *gain {
		return measureGain(stdout, dir, *tags)
	}
	return nil
}

func inspectFlags() (fs *pflag.FlagSet, tags *[]string, gain *bool, way *string) {
	fs = pflag.NewFlagSet("inspect", pflag.ContinueOnError)
	tags = fs.StringSlice("saved_model_tags", []string{"serve"}, "tags of the meta graph")
	gain = fs.Bool("measure", false, "load the model as it is and as it is served, and compare load time, memory and speed")
	way = fs.String("report", "", "load the model in one of these ways and print the report as JSON")
	_ = fs.MarkHidden("report") // for --measure's own processes
	return fs, tags, gain, way
}

func printSignature(w io.Writer, model string, sig *tensor.Signature, nature *engine.Nature) {
	fmt.Fprintf(w, "\nsignature %s (%s)\n", sig.Name, sig.Method)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range sig.Inputs {
		fmt.Fprintf(tw, "  input\t%s\t%v\t%s\t%s\n", s.Name, s.DType, shapeText(s), s.TensorName)
	}
	for _, f := range sig.Features {
		shape := f.Shape.String()
		if f.Any {
			shape = "any number"
		}
		fmt.Fprintf(tw, "  feature\t%s\t%v\t%s\tof an example\n", f.Name, f.DType, shape)
	}
	for _, s := range sig.Outputs {
		fmt.Fprintf(tw, "  output\t%s\t%v\t%s\t%s\n", s.Name, s.DType, shapeText(s), s.TensorName)
	}
	fmt.Fprintf(tw, "  batching\t%s\n", prospect(sig, nature))
	tw.Flush()
	if e := openapi.ExampleOf(sig); e.Body != "" {
		fmt.Fprintf(w, "  curl -d '%s' http://localhost:8501/v1/models/%s:%s\n", e.Body, model, e.Verb)
	} else {
		fmt.Fprintf(w, "  there is no example: %s\n", e.Why)
	}
}

// prospect says what the graph tells of how requests will be batched.
func prospect(sig *tensor.Signature, n *engine.Nature) string {
	if why := bundle.Unbatchable(sig, n); why != "" {
		return "requests run alone: " + why
	}
	text := "if its rows prove to be independent when it is loaded"
	if len(n.Mixing) > 0 {
		text += "; ops that may mix rows: " + strings.Join(n.Mixing, " ")
	}
	return text
}

func shapeText(s tensor.Spec) string {
	if s.UnknownRank {
		return "any shape"
	}
	return s.Shape.String()
}
