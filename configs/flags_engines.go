package configs

// engineFlags say which engine runs the signatures of a SavedModel.
var engineFlags = []Flag{
	{Name: "engine", Group: groupEngines, Own: true,
		Help: "tensorflow; auto: OpenVINO on the CPU for signatures that it answers alike and faster, as comparing both when a version is loaded shows; or openvino: a signature that it cannot run is an error",
		bind: func(s *Server) value { return text(&s.Engines.Use, "WORD") }},
	{Name: "engine_tolerance", Group: groupEngines, Own: true,
		Help: "with --engine=auto, how far float32 outputs of the engines may differ, as a part of the largest value of their row; all else has to be equal",
		bind: func(s *Server) value { return fraction(&s.Engines.Tolerance) }},
	{Name: "engine_min_gain", Group: groupEngines, Own: true,
		Help: "with --engine=auto, the part by which OpenVINO has to be faster, 0 to 1; 0: it need not be",
		bind: func(s *Server) value { return fraction(&s.Engines.MinGain) }},
	{Name: "openvino_library_dir", Group: groupEngines, Own: true,
		Help: "directory of OpenVINO's libraries, as …/site-packages/openvino/libs; none: ../lib/openvino beside the program, or where make deps puts them",
		bind: func(s *Server) value { return text(&s.Engines.OpenVINODir, "DIR") }},
}

// EngineWords are what --engine and the instance groups may say.
var EngineWords = []string{"tensorflow", "auto", "openvino"}
