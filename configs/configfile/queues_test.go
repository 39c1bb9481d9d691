package configfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestReadQueues(t *testing.T) {
	q, err := ReadQueues("../queue_policies.config")
	if err != nil {
		t.Fatal(err)
	}
	policy := QueuePolicy{MaxQueueSize: 10000}
	want := Queue{Levels: 3, DefaultLevel: 2, DefaultPolicy: policy,
		Policies: []QueuePolicy{policy, policy, {MaxQueueSize: 500, Timeout: 200 * time.Millisecond, AllowOverride: true}}}
	if got := q.For("mlp"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := q.For("another"); !reflect.DeepEqual(got, Queue{}) {
		t.Errorf("%+v", got)
	}
	if got := (*Queues)(nil).For("mlp"); !reflect.DeepEqual(got, Queue{}) {
		t.Errorf("%+v", got)
	}
}

func TestQueueFaults(t *testing.T) {
	for text, want := range map[string]string{
		`dynamic_batching { priority_levels: 17 }`:                                                              "dynamic_batching: priority_levels: must be at most 16; was 17",
		`dynamic_batching { priority_levels: 2 default_priority_level: 3 }`:                                     "default_priority_level: must be from 1 to priority_levels, which is 2; was 3",
		`model { name: "m" dynamic_batching { priority_levels: 2 priority_queue_policy { key: 3 value {} } } }`: `model "m": priority_queue_policy: key must be from 1 to priority_levels, which is 2; was 3`,
		`model { name: "m" dynamic_batching { default_queue_policy { timeout_action: DELAY } } }`:               `model "m": default_queue_policy: timeout_action: DELAY is not supported: REJECT is`,
		`model { dynamic_batching {} }`:                                                                         "model: has no name",
		`model { name: "m" } model { name: "m" }`:                                                               `model "m": is named twice`,
		`dynamic_batching { preferred_batch_size: 8 }`:                                                          "preferred_batch_size",
		`dynamic_batching { default_queue_policy { max: 3 } }`:                                                  "Error parsing text-format shoal.QueuePolicies",
	} {
		file := filepath.Join(t.TempDir(), "queues")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadQueues(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
