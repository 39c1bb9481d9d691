package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/spf13/pflag"

	"shoal/configs"
)

const completionUsage = `usage: shoal completion bash|zsh|fish

Prints a script that completes commands, flags and their values.

  bash   source <(shoal completion bash)          in ~/.bashrc
  zsh    source <(shoal completion zsh)           in ~/.zshrc, after compinit
  fish   shoal completion fish | source           in ~/.config/fish/config.fish
`

// Each script has all commands and flags written into it: it asks nothing while somebody types.
//
//go:embed completion
var completionFiles embed.FS

var completionScripts = template.Must(template.New("").Funcs(template.FuncMap{
	"words": func(values []string) string { return strings.Join(values, " ") }, "quoted": quoted, "fish": fishWord, "spec": zshText,
	"flagWords": flagWords, "zshFlag": zshFlag,
}).ParseFS(completionFiles, "completion/*"))

// shellCommand is a command as the scripts need it.
type shellCommand struct {
	Name, Summary string
	Flags         []shellFlag
	Takes         string   // "directory", or nothing that can be completed
	Words         []string // that it takes
}

type shellFlag struct {
	Name, Help string
	Takes      string   // what the value is called; "": it may stand bare
	Kind       string   // of the value: "file", "directory" or nothing that can be completed
	Values     []string // that can be listed
}

// completion prints the script for a shell.
func completion(args []string, stdout, _ io.Writer) error {
	rest, err := configs.ParseFlags(pflag.NewFlagSet("completion", pflag.ContinueOnError), args)
	switch {
	case errors.Is(err, configs.ErrHelp):
		_, err = io.WriteString(stdout, completionUsage)
		return err
	case err != nil:
		return usageError(err)
	case len(rest) != 1 || completionScripts.Lookup(rest[0]) == nil:
		return usageError(errors.New("one shell is needed: shoal completion bash, zsh or fish"))
	}
	return completionScripts.ExecuteTemplate(stdout, rest[0], shellCommands())
}

func shellCommands() (list []shellCommand) {
	for _, c := range commands() {
		s := shellCommand{Name: c.name, Summary: c.summary}
		switch c.takes {
		case "directory":
			s.Takes = c.takes
		case "target", "":
		default:
			s.Words = strings.Fields(c.takes)
		}
		if c.flags != nil {
			c.flags().VisitAll(func(f *pflag.Flag) {
				if !f.Hidden {
					s.Flags = append(s.Flags, shellFlagOf(f))
				}
			})
		}
		s.Flags = append(s.Flags, shellFlag{Name: "help", Help: "tell about the command"})
		list = append(list, s)
	}
	return list
}

func shellFlagOf(f *pflag.Flag) shellFlag {
	takes, help := pflag.UnquoteUsage(f)
	s := shellFlag{Name: f.Name, Help: strings.Join(strings.Fields(help), " "), Takes: takes}
	switch {
	case f.Value.Type() == "bool":
		s.Takes, s.Values = "", []string{"true", "false"}
	case f.NoOptDefVal != "":
		s.Takes = ""
	case takes == "LEVEL":
		s.Values = []string{"debug", "info", "warn", "error"}
	}
	switch kind, _, _ := strings.Cut(takes, ","); kind {
	case "FILE", "PATH":
		s.Kind = "file"
	case "DIR":
		s.Kind = "directory"
	}
	return s
}

// flagWords are the flags as they are typed: with a = where a value has to follow.
func flagWords(flags []shellFlag) string {
	var words []string
	for _, f := range flags {
		if word := "--" + f.Name; f.Takes == "" {
			words = append(words, word)
		} else {
			words = append(words, word+"=")
		}
	}
	return strings.Join(words, " ")
}

// zshFlag is a flag as _arguments takes it.
func zshFlag(f shellFlag) string {
	action := map[string]string{"file": "_files", "directory": "_files -/"}[f.Kind]
	if len(f.Values) > 0 {
		action = "(" + strings.Join(f.Values, " ") + ")"
	}
	switch {
	case f.Takes != "":
		return fmt.Sprintf("--%s=[%s]:%s:%s", f.Name, zshText(f.Help), zshText(f.Takes), action)
	case action != "":
		return fmt.Sprintf("--%s=-[%s]::value:%s", f.Name, zshText(f.Help), action)
	}
	return fmt.Sprintf("--%s[%s]", f.Name, zshText(f.Help))
}

// zshText is a text where colons and brackets mean something.
func zshText(s string) string {
	return strings.NewReplacer(`\`, `\\`, ":", `\:`, "[", `\[`, "]", `\]`).Replace(s)
}

// quoted is a word for bash and zsh.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishWord is a word for fish.
func fishWord(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
