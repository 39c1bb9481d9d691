package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// batchingOf reads from GET /v1/models which signatures are batched, by "model/signature", and why.
func (s *server) batchingOf() map[string]signatureState {
	s.t.Helper()
	var list struct {
		Models []struct {
			Name     string
			Versions []struct {
				Signatures []signatureState
			} `json:"model_version_status"`
		}
	}
	resp, err := http.Get(s.url + "/v1/models")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string]signatureState)
	for _, m := range list.Models {
		for _, v := range m.Versions {
			for _, sig := range v.Signatures {
				all[m.Name+"/"+sig.Name] = sig
			}
		}
	}
	return all
}

type signatureState struct {
	Name    string
	Batched bool
	Reason  string
}

// rowModels is a configuration of the models with rows of all kinds, and their names.
func rowModels(t *testing.T) (config string, names []string) {
	root := made(t, "rows")
	dirs, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, d := range dirs {
		if d.IsDir() {
			fmt.Fprintf(&b, "config { name: %q base_path: %q model_platform: \"tensorflow\" }\n", d.Name(), filepath.Join(root, d.Name()))
			names = append(names, d.Name())
		}
	}
	return writeFile(t, t.TempDir(), "models.config", "model_config_list {\n"+b.String()+"}\n"), names
}

// dependent are the models whose rows look at each other, and a request of random rows for each.
var dependent = map[string]func() string{
	"ranker": instances(3), "centred": instances(0), "cumulative": instances(0), "reversed": instances(0), "sorted": instances(0),
	"scaled": instances(0), "filtered": instances(0), "negatives": instances(4), "words": texts, "top": instances(0),
	"statistics": instances(4), "rare": rare, "position": instances(0), "pairs": instances(0), "key_ranker": keys,
}

// instances makes requests of one to five rows of that many numbers; 0: of scalars.
func instances(inner int) func() string {
	number := func() string { return fmt.Sprintf("%.3f", rand.Float64()*4-2) }
	return func() string {
		rows := make([]string, 1+rand.IntN(5))
		for i := range rows {
			if rows[i] = number(); inner > 0 {
				list := make([]string, inner)
				for k := range list {
					list[k] = number()
				}
				rows[i] = "[" + strings.Join(list, ",") + "]"
			}
		}
		return `{"instances":[` + strings.Join(rows, ",") + `]}`
	}
}

func rare() string {
	if rand.IntN(20) == 0 {
		return `{"instances":[300.5]}`
	}
	return instances(0)()
}

func texts() string {
	return `{"instances":["` + strings.TrimSpace(strings.Repeat("word ", 1+rand.IntN(9))) + `"]}`
}

func keys() string { return fmt.Sprintf(`{"instances":["key=%d"]}`, 1+rand.IntN(1000)) }

// By default no answer of a model whose rows depend on each other differs from the one that it gives alone: twelve clients at once get
// what a server without batching answers.
func TestDependentRowsAreNotBatched(t *testing.T) {
	config, _ := rowModels(t)
	s := start(t, "--model_config_file="+config)
	alone := start(t, "--model_config_file="+config, "--enable_batching=false")
	states := s.batchingOf()
	for name, request := range dependent {
		if got := states[name+"/serving_default"]; got.Batched || got.Reason == "" {
			t.Errorf("%s: %+v", name, got)
		}
		type asked struct{ body, answer string }
		var mu sync.Mutex
		var all []asked
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				for range 15 {
					body := request()
					code, answer, h, err := post(s.url+"/v1/models/"+name+":predict", body)
					if err != nil || code != 200 || h.Get("Shoal-Batch-Size") != "1" && h.Get("Shoal-Batch-Size") != "" {
						t.Errorf("%s %s: %d %s %v, batch of %s", name, body, code, answer, err, h.Get("Shoal-Batch-Size"))
					}
					mu.Lock()
					all = append(all, asked{body, string(answer)})
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		wrong := 0
		for _, a := range all {
			if _, want, _, err := post(alone.url+"/v1/models/"+name+":predict", a.body); err != nil || string(want) != a.answer {
				if wrong++; wrong == 1 {
					t.Errorf("%s %s: %s, alone %s %v", name, a.body, a.answer, want, err)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d answers are not those of the model alone", name, wrong, len(all))
		}
	}
}

// One request of many rows is not divided where its rows depend on each other.
func TestDependentRowsAreNotSplit(t *testing.T) {
	s := start(t, "--model_name=ranker", "--model_base_path="+made(t, "rows")+"/ranker")
	body := `{"instances":[` + strings.TrimSuffix(strings.Repeat("[1,0,0],", 2000), ",") + `]}`
	code, answer, _, err := post(s.url+"/v1/models/ranker:predict", body)
	var got struct{ Predictions []float64 }
	if err != nil || code != 200 || json.Unmarshal(answer, &got) != nil || len(got.Predictions) != 2000 {
		t.Fatalf("%d %.100s %v", code, answer, err)
	}
	sum := 0.0
	for _, p := range got.Predictions {
		sum += p
	}
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("the scores sum to %v", sum)
	}
}

// Loading changes no state: the first client finds the model as it was saved.
func TestLoadingChangesNoState(t *testing.T) {
	config, _ := rowModels(t)
	for _, flags := range [][]string{nil, {"--enable_batching"}, {"--enable_batching=false"}} {
		s := start(t, append(flags, "--model_config_file="+config)...)
		s.want("POST", "/v1/models/counter:predict", `{"instances":[0.0]}`, 200, `{"predictions":[1.0]}`)
		s.want("POST", "/v1/models/counter:predict", `{"instances":[0.0]}`, 200, `{"predictions":[2.0]}`)
		s.want("POST", "/v1/models/running_mean:predict", `{"instances":[1.0]}`, 200, `{"predictions":[-3.6363635]}`)
		s.want("POST", "/v1/models/table:predict", `{"instances":["a"]}`, 200, `{"predictions":[{"size":0,"y":0}]}`)
		s.want("POST", "/v1/models/table:predict", `{"instances":["a"]}`, 200, `{"predictions":[{"size":1,"y":1}]}`)
		if flags == nil {
			states := s.batchingOf()
			for _, name := range []string{"counter", "running_mean", "table", "seeded"} {
				if got := states[name+"/serving_default"]; got.Batched || !strings.Contains(got.Reason, "it may change the model's state") {
					t.Errorf("%s: %+v", name, got)
				}
			}
		}
	}
}

// Where rows are independent, and that can be seen, the signature is batched, however the graph looks.
func TestIndependentRowsAreBatched(t *testing.T) {
	config, _ := rowModels(t)
	s := start(t, "--model_config_file="+config)
	for _, name := range []string{"picture", "features", "loop", "flat", "choice", "lookup"} {
		if got := s.batchingOf()[name+"/serving_default"]; !got.Batched {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := s.batchingOf()["noise/serving_default"]; got.Batched || !strings.Contains(got.Reason, "differ from run to run") {
		t.Errorf("noise: %+v", got)
	}
	root := testModels(t)
	var b strings.Builder
	for _, name := range []string{"half_plus_two", "identity", "multi", "fixed", "mlp", "dynamic", "fail_on_negative", "slow", "stringlen", "two_signatures", "tf1", "estimator", "tagged"} {
		fmt.Fprintf(&b, "config { name: %q base_path: %q model_platform: \"tensorflow\" }\n", name, filepath.Join(root, name))
	}
	s = start(t, "--model_config_file="+writeFile(t, t.TempDir(), "models.config", "model_config_list {\n"+b.String()+"}\n"))
	for {
		waiting := false
		for name, got := range s.batchingOf() {
			switch {
			case strings.Contains(got.Reason, "not been compared yet"): // a version's further signatures are examined later
				waiting = true
			case !got.Batched:
				t.Errorf("%s: %+v", name, got)
			}
		}
		if !waiting {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// The operator's word counts: with --enable_batching everything is batched, as in TensorFlow Serving.
func TestTheOperatorDecides(t *testing.T) {
	s := start(t, "--model_name=ranker", "--model_base_path="+made(t, "rows")+"/ranker", "--enable_batching=true")
	if got := s.batchingOf()["ranker/serving_default"]; !got.Batched || got.Reason != "the configuration says so" {
		t.Errorf("%+v", got)
	}
	s = start(t, "--model_name=flat", "--model_base_path="+made(t, "rows")+"/flat", "--enable_batching=false")
	if got := s.batchingOf()["flat/serving_default"]; got.Batched || got.Reason != "batching is off" {
		t.Errorf("%+v", got)
	}
}
