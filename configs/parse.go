package configs

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/pflag"
)

// ErrHelp is returned by Parse and ParseFlags for --help.
var ErrHelp = pflag.ErrHelp

// Parse makes the configuration from the command line and the environment (in the form of os.Environ). A flag takes precedence
// over its variable, and both over PORT. The error is ErrHelp or Faults. Validate checks values that are well formed.
func Parse(args, environ []string) (*Server, error) {
	s := Default()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s.Register(fs)

	var faults Faults
	s.readEnvironment(environ, &faults)
	rest, err := ParseFlags(fs, args)
	if errors.Is(err, ErrHelp) {
		return nil, err
	}
	faults.Take(err)
	for _, arg := range rest {
		faults.Addf("%q: serve takes flags only, as --name=value", arg)
	}
	fs.Visit(func(f *pflag.Flag) { s.origin[f.Name] = fromFlag })
	s.readPort(environ)
	return s, faults.Err()
}

// ParseFlags reads a command line in the forms that tensorflow_model_server accepts: --name=value, --name value, and booleans
// without a value or followed by true, false, 1, 0, yes or no. It returns the words that are not flags. It reports all faults,
// and for an unknown flag the nearest known one.
func ParseFlags(fs *pflag.FlagSet, args []string) (rest []string, err error) {
	var faults Faults
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return append(rest, args...), faults.Err()
		case arg == "--help" || arg == "-h" || arg == "-help":
			return nil, ErrHelp
		case !strings.HasPrefix(arg, "-") || arg == "-":
			rest = append(rest, arg)
			continue
		case !strings.HasPrefix(arg, "--"):
			faults.Addf("%s: flags begin with two dashes%s", arg, didYouMean(fs, strings.TrimLeft(arg, "-")))
			args = skipValue(arg, args)
			continue
		}
		name, value, given := strings.Cut(arg[2:], "=")
		flag := fs.Lookup(name)
		if flag == nil {
			faults.Addf("--%s: unknown flag%s", name, didYouMean(fs, name))
			args = skipValue(arg, args)
			continue
		}
		if !given {
			if value, args, given = follows(flag, args); !given {
				faults.Addf("--%s needs a value: --%s=%s", name, name, flag.Value.Type())
				continue
			}
		}
		if err := fs.Set(name, value); err != nil {
			faults.Addf("--%s: %v", name, cmp.Or(errors.Unwrap(err), err))
		}
	}
	return rest, faults.Err()
}

// follows finds the value of a flag without "=": the next word; for a boolean "true", unless the next word is one of the
// words for yes and no.
func follows(flag *pflag.Flag, args []string) (value string, rest []string, ok bool) {
	if flag.NoOptDefVal != "" {
		if len(args) > 0 {
			if _, isBool := booleans[strings.ToLower(args[0])]; isBool {
				return args[0], args[1:], true
			}
		}
		return flag.NoOptDefVal, args, true
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "--") {
		return "", args, false
	}
	return args[0], args[1:], true
}

// skipValue drops the word after a mistaken flag if it looks like the flag's value, so that one mistake is one fault.
func skipValue(arg string, args []string) []string {
	if !strings.Contains(arg, "=") && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[1:]
	}
	return args
}

// didYouMean returns ": did you mean --x?" for a mistaken flag, or where to find the list.
func didYouMean(fs *pflag.FlagSet, mistaken string) string {
	name, _, _ := strings.Cut(mistaken, "=")
	name = strings.ReplaceAll(name, "-", "_")
	if flag := fs.Lookup(strings.TrimPrefix(name, "no")); flag != nil && flag.NoOptDefVal != "" && flag.Name != name {
		return fmt.Sprintf(": write --%s=false", flag.Name)
	}
	near := Nearest(name, flagNames(fs))
	if near == "" {
		return ": --help lists the flags"
	}
	return fmt.Sprintf(": did you mean --%s?", near)
}

// flagNames returns the names of the flags of fs.
func flagNames(fs *pflag.FlagSet) iter.Seq[string] {
	return func(yield func(string) bool) {
		more := true
		fs.VisitAll(func(f *pflag.Flag) { more = more && yield(f.Name) })
	}
}
