package configfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/protobuf/proto"
)

// The forms that users' files have; all mean the same.
func TestTextForms(t *testing.T) {
	for _, in := range []string{
		`model_config_list { config { name: "m" base_path: '/x' } }`,
		`model_config_list: { config: { name: "m", base_path: "/x"; }, }`,
		"model_config_list <\r\n  config <\r\n    name: \"m\"\r\n    base_path: \"/x\"\r\n  >\r\n>\r\n",
		`model_config_list { config [ { name: "m" base_path: "/x" } ] }`,
		`model_config_list { config: { name: "m" base_path: "/" "x" } }`,
		"# models\nmodel_config_list { # all\n config { name: \"m\" # \"it's\n base_path: \"/x\" } }",
		"\xef\xbb\xbfmodel_config_list { config { name: \"m\" base_path: \"/x\" } }",
		"model_config_list {\f\v config { name:\t\"\\x6d\" base_path: \"\\057x\" } }",
		`model_config_list{config{name:"m"base_path:"/x"}}`,
	} {
		config := &config_go_proto.ModelServerConfig{}
		if err := parseText("f", []byte(in), config, strictText); err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		models := config.GetModelConfigList().GetConfig()
		if len(models) != 1 || models[0].GetName() != "m" || models[0].GetBasePath() != "/x" {
			t.Errorf("%q: %v", in, models)
		}
	}
}

func TestTextErrors(t *testing.T) {
	for in, want := range map[string]string{
		"model_config_list {\n  config { nam: \"m\" }\n}":          "2:12: unknown field: nam (did you mean name?)",
		"model_config_list {\n  config { name: \"m }\n}":           "2:18: invalid character '\\n' in string (the quote is not closed on its line)",
		"model_config_list {\n  config {\n    name: \"m\"\n  }\n":  "5:1: unexpected end of file: '{' opened at 1:19 is not closed",
		"model_config_list {\n  config { name: \"m":                "2:20: unexpected end of file: '\"' opened at 2:18 is not closed",
		"// models\nmodel_config_list {}":                          "1:1: invalid field name: // (a comment begins with #)",
		"model_config_list { config { name: “m” } }":               "1:36: invalid scalar value: “ (write plain quotes: \")",
		"model_config_list { config [ {}, ] }":                     "1:34: invalid scalar value: ] (no comma before ])",
		"model_config_list {} }":                                   "1:22: invalid field name: }",
		"model_config_list { config { name: 5 } }":                 "1:36: invalid value for string type: 5",
		"model_config_list { config { name: \"a\" name: \"b\" } }": "1:40: non-repeated field \"name\" is repeated",
		"custom_model_config { [type.googleapis.com/x.Y] { } }":    "1:23: unable to resolve message [type.googleapis.com/x.Y]",
	} {
		err := parseText("models.config", []byte(in), &config_go_proto.ModelServerConfig{}, strictText)
		want = "Error parsing text-format tensorflow.serving.ModelServerConfig: " + want
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), " (in models.config)") {
			t.Errorf("%q:\n got %v\nwant %s", in, err, want)
		}
		if e, ok := errors.AsType[*TextError](err); !ok || e.Line == 0 || e.Column == 0 {
			t.Errorf("%q: no position", in)
		}
	}
}

func TestMultilineStrings(t *testing.T) {
	for _, eol := range []string{"\n", "\r\n"} {
		in := strings.ReplaceAll("server_key: \"-----BEGIN\nA\\\"B#\n-----END\"\ncustom_ca: 'x'\nclient_verify: tru", "\n", eol)
		config := &config_go_proto.SSLConfig{}
		err := parseText("f", []byte(in), config, multilineText)
		if e, ok := errors.AsType[*TextError](err); !ok || e.Line != 5 {
			t.Errorf("lines are counted wrongly: %v", err)
		}
		if err := parseText("f", []byte(in+"e"), config, multilineText); err != nil {
			t.Fatal(err)
		}
		if config.GetServerKey() != "-----BEGIN\nA\"B#\n-----END" || config.GetCustomCa() != "x" {
			t.Errorf("%q", config)
		}
		if parseText("f", []byte(in+"e"), config, strictText) == nil {
			t.Error("a string over several lines is taken where a quote was forgotten")
		}
	}
}

// Nothing a file may hold makes the reader panic; what is accepted is accepted again as it is printed.
func FuzzModels(f *testing.F) {
	for _, seed := range []string{
		`model_config_list { config { name: "m" base_path: "/x" version_labels { key: "a" value: 1 } } }`,
		`model_config_list: { config: [ { name: 'm', model_type: TENSORFLOW } ] }`, "\ufeff# x\n\v\f", `"`, `'\`, "{<[", "}>]", "a: \"\n",
		`custom_model_config { [type.googleapis.com/x] {} }`,
		`model_config_list { config { logging_config { sampling_config { sampling_rate: nan } } model_version_policy { specific { versions: -1 } } } }`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, multiline bool) {
		mode := strictText
		if multiline {
			mode = multilineText
		}
		config := &config_go_proto.ModelServerConfig{}
		if err := parseText("f", data, config, mode); err != nil {
			e, ok := errors.AsType[*TextError](err)
			if !ok || e.Line < 1 || e.Column < 1 || e.Line > strings.Count(string(data), "\n")+1 {
				t.Fatalf("%v", err)
			}
			return
		}
		again := &config_go_proto.ModelServerConfig{}
		if err := parseText("f", []byte(config.String()), again, strictText); err != nil || !proto.Equal(config, again) {
			t.Fatalf("%v: %v", config, err)
		}
		models, err := ModelsFromProto(config)
		if err == nil && len(models.Configs) != len(config.GetModelConfigList().GetConfig()) {
			t.Fatalf("%v gives %v", config, models)
		}
	})
}
