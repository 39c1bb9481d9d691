package configfile

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"shoal/configs"
)

// Queues are the priority levels and queue policies of all models.
type Queues struct {
	Models  map[string]Queue
	Default Queue // of models that are not named
}

// For gives a model's; nil says nothing of any.
func (q *Queues) For(model string) Queue {
	if q == nil {
		return Queue{}
	}
	if own, found := q.Models[model]; found {
		return own
	}
	return q.Default
}

// Queue is what Triton's dynamic_batching says of priorities and queues, for one model.
type Queue struct {
	Levels        int // 0: priorities have no effect
	DefaultLevel  int // 0: the lowest
	DefaultPolicy QueuePolicy
	Policies      []QueuePolicy // of levels 1, 2, …; empty, or one for each level
}

// QueuePolicy bounds the waiting of one level's requests.
type QueuePolicy struct {
	MaxQueueSize  int           // requests; 0: not bounded
	Timeout       time.Duration // in the queue; 0: none
	AllowOverride bool          // a request may bring a shorter timeout
}

// maxPriorityLevels bounds priority_levels.
const maxPriorityLevels = 16

// queuesSchema describes the file's messages. The field numbers are Triton's, though only names are ever written.
const queuesSchema = `
name: "shoal/queue_policies.proto" package: "shoal" syntax: "proto3"
message_type {
	name: "QueuePolicies"
	field { name: "model" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".shoal.ModelQueue" }
	field { name: "dynamic_batching" number: 11 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".shoal.ModelDynamicBatching" }
}
message_type {
	name: "ModelQueue"
	field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
	field { name: "dynamic_batching" number: 11 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".shoal.ModelDynamicBatching" }
}
message_type {
	name: "ModelDynamicBatching"
	field { name: "priority_levels" number: 4 label: LABEL_OPTIONAL type: TYPE_UINT32 }
	field { name: "default_priority_level" number: 5 label: LABEL_OPTIONAL type: TYPE_UINT32 }
	field { name: "default_queue_policy" number: 6 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".shoal.ModelQueuePolicy" }
	field { name: "priority_queue_policy" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".shoal.ModelDynamicBatching.PriorityQueuePolicyEntry" }
	nested_type {
		name: "PriorityQueuePolicyEntry"
		field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT32 }
		field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".shoal.ModelQueuePolicy" }
		options { map_entry: true }
	}
}
message_type {
	name: "ModelQueuePolicy"
	field { name: "timeout_action" number: 1 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".shoal.ModelQueuePolicy.TimeoutAction" }
	field { name: "default_timeout_microseconds" number: 2 label: LABEL_OPTIONAL type: TYPE_UINT64 }
	field { name: "allow_timeout_override" number: 3 label: LABEL_OPTIONAL type: TYPE_BOOL }
	field { name: "max_queue_size" number: 4 label: LABEL_OPTIONAL type: TYPE_UINT32 }
	enum_type {
		name: "TimeoutAction"
		value { name: "REJECT" number: 0 } value { name: "DELAY" number: 1 }
	}
}`

var queuesMessage = sync.OnceValue(func() protoreflect.MessageDescriptor {
	text := &descriptorpb.FileDescriptorProto{}
	if err := prototext.Unmarshal([]byte(queuesSchema), text); err != nil {
		panic(err)
	}
	file, err := protodesc.NewFile(text, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().ByName("QueuePolicies")
})

// The messages as protojson writes them: 64-bit numbers are strings.
type (
	queuesText struct {
		Model []struct {
			Name            string
			DynamicBatching queueText `json:"dynamic_batching"`
		}
		DynamicBatching queueText `json:"dynamic_batching"`
	}
	queueText struct {
		Levels       uint32                `json:"priority_levels"`
		DefaultLevel uint32                `json:"default_priority_level"`
		Policy       policyText            `json:"default_queue_policy"`
		Policies     map[string]policyText `json:"priority_queue_policy"`
	}
	policyText struct {
		Action   string `json:"timeout_action"`
		Timeout  uint64 `json:"default_timeout_microseconds,string"`
		Override bool   `json:"allow_timeout_override"`
		Size     uint32 `json:"max_queue_size"`
	}
)

// ReadQueues reads a text proto (--queue_policies_file):
//
//	model { name: "mlp" dynamic_batching { priority_levels: 2 priority_queue_policy { key: 2 value { max_queue_size: 100 } } } }
//	dynamic_batching { default_queue_policy { default_timeout_microseconds: 50000 } }   # all other models
//
// The error is of the file system, *TextError or Faults.
func ReadQueues(path string) (*Queues, error) {
	m := dynamicpb.NewMessage(queuesMessage())
	if err := readText(path, m, strictText); err != nil {
		return nil, err
	}
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var text queuesText
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	var faults configs.Faults
	q := &Queues{Models: make(map[string]Queue), Default: text.DynamicBatching.queue("dynamic_batching", &faults)}
	for _, model := range text.Model {
		if model.Name == "" {
			faults.Addf("model: has no name")
		}
		if _, twice := q.Models[model.Name]; twice {
			faults.Addf("model %q: is named twice", model.Name)
		}
		q.Models[model.Name] = model.DynamicBatching.queue("model "+strconv.Quote(model.Name), &faults)
	}
	return q, faults.Err()
}

func (t queueText) queue(where string, faults *configs.Faults) Queue {
	levels := int(min(t.Levels, math.MaxInt32))
	q := Queue{Levels: levels, DefaultLevel: int(min(t.DefaultLevel, math.MaxInt32)), DefaultPolicy: t.Policy.policy(where+": default_queue_policy", faults)}
	if levels > maxPriorityLevels {
		faults.Addf("%s: priority_levels: must be at most %d; was %d", where, maxPriorityLevels, levels)
		return q
	}
	if q.DefaultLevel > levels {
		faults.Addf("%s: default_priority_level: must be from 1 to priority_levels, which is %d; was %d", where, levels, q.DefaultLevel)
	}
	if len(t.Policies) == 0 {
		return q
	}
	q.Policies = slices.Repeat([]QueuePolicy{q.DefaultPolicy}, levels)
	for _, key := range slices.Sorted(maps.Keys(t.Policies)) {
		level, err := strconv.Atoi(key)
		if err != nil || level < 1 || level > levels {
			faults.Addf("%s: priority_queue_policy: key must be from 1 to priority_levels, which is %d; was %s", where, levels, key)
			continue
		}
		q.Policies[level-1] = t.Policies[key].policy(where+": priority_queue_policy "+key, faults)
	}
	return q
}

func (t policyText) policy(where string, faults *configs.Faults) QueuePolicy {
	if t.Action != "" && t.Action != "REJECT" {
		faults.Addf("%s: timeout_action: %s is not supported: REJECT is", where, t.Action)
	}
	return QueuePolicy{
		MaxQueueSize: int(min(t.Size, math.MaxInt32)), AllowOverride: t.Override,
		Timeout: time.Duration(min(t.Timeout, math.MaxInt64/1000)) * time.Microsecond,
	}
}
