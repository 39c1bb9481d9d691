package configs

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// width is the length of --help's lines.
const width = 100

// WriteHelp prints the flags of `shoal serve`, grouped.
func WriteHelp(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, `Usage: shoal serve --model_base_path=DIR [flags]
       shoal serve --model_config_file=FILE [flags]

Serves TensorFlow SavedModels over REST and gRPC, batching the requests of all clients. It takes the flags
of tensorflow_model_server, as --name=value or --name value; a boolean may stand bare. Each flag is also an
environment variable, SHOAL_NAME (--port: SHOAL_PORT); a flag beats its variable. If neither --port nor
--rest_api_port is given and the variable PORT is set, both APIs listen on that port.
`)
	for _, group := range groups() {
		fmt.Fprintf(out, "\n%s\n", group)
		for f := range Flags() {
			if f.Group == group {
				f.writeHelp(out)
			}
		}
	}
	return out.Flush()
}

// writeHelp prints one flag: its form with the default, then the help, indented. A boolean is shown in the form that changes it.
func (f Flag) writeHelp(w io.Writer) {
	form, byDefault := "="+f.Kind(), f.Default()
	switch {
	case f.Kind() != boolKind:
	case byDefault == "true":
		form = "=false"
	default:
		form, byDefault = "", ""
	}
	fmt.Fprintf(w, "  --%s%s", f.Name, form)
	if byDefault != "" {
		fmt.Fprintf(w, "  (default %s)", byDefault)
	}
	fmt.Fprintln(w)
	help := f.Help
	if f.Noted != "" {
		help += " - no effect: " + f.Noted
	}
	for line := range wrapped(help, width-8) {
		fmt.Fprintf(w, "        %s\n", line)
	}
}

// wrapped breaks a text into lines of at most width runes, between words.
func wrapped(text string, width int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			switch {
			case line == "":
				line = word
			case len([]rune(line))+1+len([]rune(word)) > width:
				if !yield(line) {
					return
				}
				line = word
			default:
				line += " " + word
			}
		}
		yield(line)
	}
}

// WriteMarkdown prints the flags as the page docs/flags.md.
func WriteMarkdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, `# Flags of shoal serve

<!-- Written by go generate ./configs from the table of flags: change it there. -->

Each flag is also an environment variable: `+"`SHOAL_`"+` and the name in capitals (`+"`--port`"+`: `+"`SHOAL_PORT`"+`).
A flag overrides its variable; an empty variable counts as not set. If neither `+"`--port`"+` nor `+"`--rest_api_port`"+`
is given and the variable `+"`PORT`"+` is set (as on Cloud Run and Knative), both APIs listen on that port.
Flags are written `+"`--name=value`"+` or `+"`--name value`"+`; a boolean flag may stand without a value. Flags
marked + are Shoal's own, all others are tensorflow_model_server's.
`)
	for _, group := range groups() {
		fmt.Fprintf(out, "\n## %s\n\n| flag | takes | default | meaning |\n| --- | --- | --- | --- |\n", group)
		for f := range Flags() {
			if f.Group != group {
				continue
			}
			name, help := "`--"+f.Name+"`", f.Help
			if f.Own {
				name += " +"
			}
			if f.Noted != "" {
				help += "; no effect: " + f.Noted
			}
			fmt.Fprintf(out, "| %s | %s | %s | %s |\n", name, f.Kind(), code(f.Default()), help)
		}
	}
	return out.Flush()
}

// code formats s as code; "" stays "".
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// Effective returns every flag that has an effect with its value, for the log at the start, and those that differ from their
// defaults.
func (s *Server) Effective() (all, changed slog.Attr) {
	var every, some []any
	for f := range Flags() {
		if f.Noted != "" || f.Name == "version" {
			continue
		}
		value := slog.String(f.Name, f.Value(s))
		every = append(every, value)
		if f.Value(s) != f.Default() {
			some = append(some, value)
		}
	}
	return slog.Group("flag", every...), slog.Group("set", some...)
}
