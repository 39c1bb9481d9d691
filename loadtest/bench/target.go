package bench

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/loadtest/bodies"
	"shoal/loadtest/load"
	"shoal/loadtest/report"
	"shoal/tensor"
)

// target is a server that is ready to be attacked.
type target struct {
	load  load.Target
	about report.Target
}

// askTimeout bounds each question before the load begins.
const askTimeout = 10 * time.Second

// newTarget asks the server what it serves and makes the requests.
func newTarget(ctx context.Context, c *Config, text string) (*target, error) {
	a, err := parseAddress(text, c.API)
	if err != nil {
		return nil, err
	}
	t := &target{about: report.Target{Address: a.host, API: a.api, Model: c.Model}}
	ask := &asker{config: c, address: a}
	if a.api == "rest" {
		if t.about.Server = ask.greeting(ctx); t.about.Server == "" && IsGRPC(ctx, a.base()) {
			return nil, fmt.Errorf("this is a gRPC port: write grpc://%s, or give the REST port", a.host)
		}
		if a.path == "" && c.Model == "" {
			if c.Model, err = ask.onlyModel(ctx); err != nil {
				return nil, err
			}
			t.about.Model = c.Model
		}
	} else if c.Model == "" {
		return nil, errors.New("--model is needed with gRPC")
	}
	list, sig, err := t.bodies(ctx, c, ask)
	if err != nil {
		return nil, err
	}
	check, err := t.checker(c, a, len(list))
	if err != nil {
		return nil, err
	}
	t.describe(list, sig)
	if a.api == "grpc" {
		calls, err := load.NewGRPC(a.host, list, check, ask.tls(), ask.withKey()...)
		if err != nil {
			return nil, err
		}
		calls.AskTimes()
		t.load = calls
	} else {
		t.load, err = load.NewREST(a.base()+cmp.Or(a.path, ask.modelPath()+":predict"), list, check, ask.tls(), ask.key()...)
	}
	return t, err
}

// bodies come from --body, or from the model's metadata.
func (t *target) bodies(ctx context.Context, c *Config, ask *asker) ([]load.Body, *tensor.Signature, error) {
	var file *bodies.File
	var err error
	if c.Body != "" {
		if file, err = bodies.ReadFile(c.Body); err != nil {
			return nil, nil, err
		}
		if len(file.JSON) > 0 && ask.address.api == "rest" { // sent as it is
			var list []load.Body
			for _, doc := range file.JSON {
				list = append(list, load.Body{Data: doc, Rows: bodies.CountJSON(doc)})
			}
			return list, nil, nil
		}
	}
	if ask.address.path != "" {
		return nil, nil, fmt.Errorf("a target with a path of its own (%s) has no metadata: give a JSON request with --body", ask.address.path)
	}
	meta, err := ask.metadata(ctx)
	if err != nil {
		return nil, nil, err
	}
	t.about.Version = meta.Version
	sig, err := meta.Signature(c.Signature)
	if err != nil {
		return nil, nil, err
	}
	requests, err := t.requests(c, sig, file)
	if err != nil {
		return nil, nil, err
	}
	list := make([]load.Body, len(requests))
	for i, r := range requests {
		if ask.address.api == "grpc" {
			list[i], err = bodies.GRPC(ask.spec(sig.Name), sig, r)
		} else {
			list[i], err = bodies.REST(sig, r)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return list, sig, nil
}

func (t *target) requests(c *Config, sig *tensor.Signature, file *bodies.File) (list []*bodies.Request, err error) {
	if file == nil {
		if strings.HasSuffix(sig.Method, "/classify") || strings.HasSuffix(sig.Method, "/regress") {
			return nil, fmt.Errorf("signature %q takes tf.Examples, which cannot be made up: choose another --signature, or give a request with --body", sig.Name)
		}
		return bodies.Random{Signature: sig, Sizes: c.sizes, Unknown: c.Unknown, Seed: c.Seed}.Requests(c.Bodies)
	}
	for i, doc := range file.JSON {
		r, err := bodies.FromJSON(doc, sig)
		if err != nil {
			return nil, fmt.Errorf("request %d of --body: %w", i+1, err)
		}
		list = append(list, r)
	}
	for i, logged := range file.Log {
		if name := cmp.Or(logged.GetModelSpec().GetSignatureName(), bodies.DefaultSignature); name != sig.Name {
			continue // one run is one signature
		}
		r, err := bodies.FromLog(sig, logged)
		if err != nil {
			return nil, fmt.Errorf("request %d of --body: %w", i+1, err)
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("--body has no request for signature %q", sig.Name)
	}
	return list, nil
}

func (t *target) checker(c *Config, a address, n int) (load.Checker, error) {
	if c.Check == "" {
		return nil, nil
	}
	parse := load.ParseJSON
	if a.api == "grpc" {
		parse = bodies.ParseAnswer
	}
	var references [][]byte
	t.about.Checked = "answers checked against the first to the same body"
	if c.Check != checkFirst {
		if a.api == "grpc" {
			return nil, errors.New("--check=FILE has JSON answers: use --api=rest, or --check alone")
		}
		content, err := os.ReadFile(c.Check)
		if err != nil {
			return nil, err
		}
		if references = bodies.Documents(content); len(references) != n {
			return nil, fmt.Errorf("--check=%s has %d answers for %d different requests: one on each line is needed, in the order of --body", c.Check, len(references), n)
		}
		t.about.Checked = "answers checked against a file"
	}
	answers, err := load.NewAnswers(n, references, parse)
	if err != nil {
		return nil, fmt.Errorf("--check: %w", err)
	}
	return answers, nil
}

func (t *target) describe(list []load.Body, sig *tensor.Signature) {
	size, rows := 0, 0
	for _, b := range list {
		size += len(b.Data)
		rows += max(b.Rows, 1)
	}
	t.about.Bodies, t.about.BodyBytes, t.about.Instances = len(list), size/len(list), float64(rows)/float64(len(list))
	if sig != nil {
		t.about.Signature = sig.Name
	}
}

// asker puts the questions before the load.
type asker struct {
	config  *Config
	address address
}

func (q *asker) tls() *tls.Config {
	if !q.address.tls {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: q.config.Insecure} //nolint:gosec // --insecure asks for it
}

// key is the key to send, if any.
func (q *asker) key() []string {
	if q.config.Key == "" {
		return nil
	}
	return []string{q.config.Key}
}

// withKey is the same for gRPC.
func (q *asker) withKey() (options []grpc.DialOption) {
	for _, key := range q.key() {
		options = append(options, load.WithKey(key))
	}
	return options
}

func (q *asker) modelPath() string {
	p := "/v1/models/" + url.PathEscape(q.config.Model)
	switch {
	case q.config.Version != 0:
		p += fmt.Sprintf("/versions/%d", q.config.Version)
	case q.config.Label != "":
		p += "/labels/" + url.PathEscape(q.config.Label)
	}
	return p
}

func (q *asker) spec(signature string) *apis_go_proto.ModelSpec {
	s := &apis_go_proto.ModelSpec{Name: q.config.Model, SignatureName: signature}
	switch {
	case q.config.Version != 0:
		s.VersionChoice = &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(q.config.Version)}
	case q.config.Label != "":
		s.VersionChoice = &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: q.config.Label}
	}
	return s
}

func (q *asker) metadata(ctx context.Context) (*bodies.Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if q.address.api == "rest" {
		doc, err := q.get(ctx, q.modelPath()+"/metadata")
		if err != nil {
			return nil, err
		}
		return bodies.ParseMetadata(doc)
	}
	conn, err := load.DialGRPC(q.address.host, q.tls(), q.withKey()...)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return bodies.FetchMetadata(ctx, conn, q.spec(""))
}

// onlyModel is the model of a server that has one. Servers other than Shoal cannot list theirs.
func (q *asker) onlyModel(ctx context.Context) (string, error) {
	doc, err := q.get(ctx, "/v1/models")
	var list struct{ Models []struct{ Name string } }
	if err == nil {
		err = json.Unmarshal(doc, &list)
	}
	if err != nil || len(list.Models) != 1 {
		var names []string
		for _, m := range list.Models {
			names = append(names, m.Name)
		}
		if len(names) > 0 {
			return "", fmt.Errorf("--model is needed: the server has %s", strings.Join(names, ", "))
		}
		return "", errors.Join(errors.New("--model is needed: the server does not say which models it has"), err)
	}
	return list.Models[0].Name, nil
}

// greeting is how the server names itself, "" where it does not.
func (q *asker) greeting(ctx context.Context) string {
	doc, err := q.get(ctx, "/healthz")
	var health struct{ Version string }
	if err != nil || json.Unmarshal(doc, &health) != nil || health.Version == "" {
		return ""
	}
	return "Shoal " + health.Version
}

const maxDocument = 64 << 20

func (q *asker) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.address.base()+path, nil)
	if err != nil {
		return nil, err
	}
	for _, key := range q.key() {
		req.Header.Set("Authorization", load.Bearer+key)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: q.tls(), DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, resp.Status, strings.TrimSpace(string(b)))
	}
	return b, err
}
