package configs

import "fmt"

const modelBeaten = "--model_name and --model_base_path have no effect: --model_config_file beats them"

// Remarks are further lines for the log that do not point to a mistake. For example, a container image can name a model in its
// environment.
func (s *Server) Remarks() (remarks []string) {
	if s.Models.ConfigFile != "" && (s.IsSet("model_name") || s.IsSet("model_base_path")) && s.origin["model_name"] != fromFlag && s.origin["model_base_path"] != fromFlag {
		remarks = append(remarks, modelBeaten)
	}
	return remarks
}

// Notes returns lines for the start of the log: flags that are set and have no effect, with the reason, and other settings that
// probably do not do what was intended. After configfile.Load they include the files' notes.
func (s *Server) Notes() []string {
	var notes []string
	for f := range Flags() {
		if f.Noted != "" && s.IsSet(f.Name) {
			notes = append(notes, fmt.Sprintf("--%s has no effect: %s", f.Name, f.Noted))
		}
	}
	if s.Models.ConfigFile != "" && (s.origin["model_name"] == fromFlag || s.origin["model_base_path"] == fromFlag) {
		notes = append(notes, modelBeaten)
	}
	if s.Models.ConfigFile == "" && s.Models.ConfigPoll > 0 {
		notes = append(notes, "--model_config_file_poll_wait_seconds has no effect: there is no --model_config_file")
	}
	if s.Batching.PerModel && s.Batching.Enabled == Off {
		notes = append(notes, "--enable_per_model_batching_parameters has no effect: --enable_batching is false")
	}
	if p := s.TensorFlow.MixedPrecision; p != "" && p != "bfloat16" {
		notes = append(notes, fmt.Sprintf("--mixed_precision=%s has no effect: bfloat16 is the only type", p))
	}
	notes = append(notes, s.accessNotes()...)
	return append(notes, s.notes...)
}
