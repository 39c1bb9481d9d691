package devices

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Group places instances of a model: Count on each of its devices. The fields and their meaning are those of Triton's
// instance_group; devices is an addition.
type Group struct {
	Name    string   `json:"name"`
	Count   int      `json:"count"`   // on each device; 0: chosen for the device
	Kind    string   `json:"kind"`    // KIND_AUTO (or empty), KIND_GPU, KIND_CPU
	GPUs    []int    `json:"gpus"`    // numbers as shoal devices prints them; empty: all GPUs that the server uses
	Devices []string `json:"devices"` // instead of kind and gpus, in the form of --devices
}

// Groups are the instance groups of all models.
type Groups struct {
	Models  map[string][]Group
	Default []Group           // of models without groups of their own
	Engines map[string]string // what runs a model, by its name, where the file says that
}

// Engine is what the file says runs the model; "": it says nothing.
func (g *Groups) Engine(model string) string {
	if g == nil {
		return ""
	}
	return g.Engines[model]
}

// For returns a model's groups. It returns nil, which means one group of KIND_AUTO, if the file does not mention the model. g may
// be nil.
func (g *Groups) For(model string) []Group {
	if g == nil {
		return nil
	}
	if own, found := g.Models[model]; found {
		return own
	}
	return g.Default
}

// schema describes the file's messages. The field numbers of the instance group are Triton's, although files contain names only.
const schema = `
name: "shoal/instance_groups.proto" package: "shoal" syntax: "proto3"
message_type {
	name: "InstanceGroups"
	field { name: "model" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".shoal.ModelInstances" }
	field { name: "instance_group" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".shoal.InstanceGroup" }
}
message_type {
	name: "ModelInstances"
	field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
	field { name: "instance_group" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".shoal.InstanceGroup" }
	field { name: "engine" number: 100 label: LABEL_OPTIONAL type: TYPE_STRING }
}
message_type {
	name: "InstanceGroup"
	field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
	field { name: "count" number: 2 label: LABEL_OPTIONAL type: TYPE_INT32 }
	field { name: "gpus" number: 3 label: LABEL_REPEATED type: TYPE_INT32 }
	field { name: "kind" number: 4 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".shoal.InstanceGroup.Kind" }
	field { name: "devices" number: 100 label: LABEL_REPEATED type: TYPE_STRING }
	enum_type {
		name: "Kind"
		value { name: "KIND_AUTO" number: 0 } value { name: "KIND_GPU" number: 1 }
		value { name: "KIND_CPU" number: 2 } value { name: "KIND_MODEL" number: 3 }
	}
}`

var fileMessage = sync.OnceValue(func() protoreflect.MessageDescriptor {
	text := &descriptorpb.FileDescriptorProto{}
	if err := prototext.Unmarshal([]byte(schema), text); err != nil {
		panic(err)
	}
	file, err := protodesc.NewFile(text, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().ByName("InstanceGroups")
})

// NewGroupsMessage returns an empty message of the file, for callers with a parser of text protos. GroupsFromProto reads it.
func NewGroupsMessage() proto.Message { return dynamicpb.NewMessage(fileMessage()) }

// ParseGroups reads a text proto:
//
//	model { name: "resnet" instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] } ] }
//	model { name: "tokens" instance_group { kind: KIND_CPU } }
//	model { name: "scores" engine: "auto" }
//	instance_group { kind: KIND_AUTO }   # all other models
//
// The error lists every fault.
func ParseGroups(data []byte) (*Groups, error) {
	m := NewGroupsMessage()
	if err := prototext.Unmarshal(data, m); err != nil {
		// The parser varies the space after "proto:", so that its texts cannot be compared.
		return nil, faultf("%s", strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0"))
	}
	return GroupsFromProto(m)
}

// GroupsFromProto reads a message of NewGroupsMessage.
func GroupsFromProto(m proto.Message) (*Groups, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, faultf("instance groups: %v", err)
	}
	var file struct {
		Model []struct {
			Name          string  `json:"name"`
			InstanceGroup []Group `json:"instance_group"`
			Engine        string  `json:"engine"`
		} `json:"model"`
		InstanceGroup []Group `json:"instance_group"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, faultf("instance groups: %v", err)
	}
	g := &Groups{Models: make(map[string][]Group), Default: file.InstanceGroup, Engines: make(map[string]string)}
	named := make(map[string]bool)
	var bad faults
	for i, model := range file.Model {
		where := fmt.Sprintf("model %q", model.Name)
		switch twice := named[model.Name]; {
		case model.Name == "":
			where = fmt.Sprintf("model %d", i+1)
			bad.addf("%s: has no name", where)
		case twice:
			bad.addf("%s: is named twice: put all its groups in one place", where)
		case len(model.InstanceGroup) == 0 && model.Engine == "":
			bad.addf("%s: has neither an instance_group nor an engine", where)
		}
		named[model.Name] = true
		checkGroups(where, model.InstanceGroup, &bad)
		if len(model.InstanceGroup) > 0 {
			g.Models[model.Name] = model.InstanceGroup
		}
		switch model.Engine {
		case "":
		case "tensorflow", "auto", "openvino":
			g.Engines[model.Name] = model.Engine
		default:
			bad.addf("%s: engine is %q: write tensorflow, auto or openvino", where, model.Engine)
		}
	}
	checkGroups("all other models", g.Default, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	return g, nil
}

// checkGroups finds the faults that do not depend on the machine.
func checkGroups(where string, groups []Group, bad *faults) {
	for i, g := range groups {
		at := fmt.Sprintf("%s, instance_group %d", where, i+1)
		if g.Count < 0 {
			bad.addf("%s: count is %d: write 1 or more, or leave it out", at, g.Count)
		}
		switch {
		case g.Kind == "KIND_MODEL":
			bad.addf("%s: KIND_MODEL is not supported: write KIND_GPU, KIND_CPU or KIND_AUTO", at)
		case g.Kind == "KIND_CPU" && len(g.GPUs) > 0:
			bad.addf("%s: gpus are given and kind is KIND_CPU: one of them is wrong", at)
		case len(g.Devices) > 0 && (len(g.GPUs) > 0 || g.Kind != ""):
			bad.addf("%s: devices stands in the place of kind and gpus: leave these out", at)
		}
		seen := map[int]bool{}
		for _, n := range g.GPUs {
			if n < 0 {
				bad.addf("%s: gpus: %d is no number of a GPU", at, n)
			} else if seen[n] {
				bad.addf("%s: gpus: %d is named twice: more instances are a matter of count", at, n)
			}
			seen[n] = true
		}
	}
}

// Validate places every model's groups and lists every fault.
func (g *Groups) Validate(s *Selection) error {
	if g == nil {
		return nil
	}
	var bad faults
	for _, name := range slices.Sorted(maps.Keys(g.Models)) {
		_, err := s.Place(g.Models[name])
		bad.take(fmt.Sprintf("model %q, ", name), err)
	}
	_, err := s.Place(g.Default)
	bad.take("all other models, ", err)
	return bad.err()
}
