package manager

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/servingtest"
)

func TestBadConfigurationsChangeNothing(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.put("/n", 1)
		s.config(latest("m", 1))
		other := latest("m", 1)
		other.Platform = "other"
		for _, c := range []struct {
			models []serving.ModelConfig
			code   codes.Code
			text   string
		}{
			{[]serving.ModelConfig{latest("n", 1), latest("n", 2)}, codes.InvalidArgument, "Illegal to list model n multiple times in config list"},
			{[]serving.ModelConfig{latest("n", 1), {BasePath: "/x"}}, codes.InvalidArgument, "a model has no name"},
			{[]serving.ModelConfig{latest("n", 1), {Name: "x"}}, codes.InvalidArgument, "model x has no base_path"},
			{[]serving.ModelConfig{latest("n", 1), other}, codes.InvalidArgument, "Illegal to change a model's platform. For model m platform was tensorflow and new platform requested is other"},
		} {
			servingtest.WantStatus(t, s.SetConfig(t.Context(), c.models), c.code, c.text)
			s.pass(time.Second)
			s.want("m", "1 AVAILABLE")
			s.want("n", errNoVersions("n").Error())
		}
	})
}

func TestLabels(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		all := serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}}
		with := func(labels map[string]int64) serving.ModelConfig { c := all; c.Labels = labels; return c }
		points := func(label string, version int64) {
			t.Helper()
			h, err := s.Handle(serving.ModelSpec{Model: "m", Label: label})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Release()
			if h.Version != version {
				t.Errorf("%s points at %d, want %d", label, h.Version, version)
			}
		}
		const refused = "Request to assign label to version 1 of model m, which is not currently available for inference"
		servingtest.WantStatus(t, s.SetConfig(t.Context(), []serving.ModelConfig{with(map[string]int64{"production": 1})}), codes.FailedPrecondition, refused)
		s.config(all)
		s.config(with(map[string]int64{"production": 1, "canary": 2}))
		points("production", 1)
		points("canary", 2)
		s.config(with(map[string]int64{"production": 2}))
		points("production", 2)
		_, err := s.Handle(serving.ModelSpec{Model: "m", Label: "canary"})
		servingtest.WantStatus(t, err, codes.InvalidArgument, "Unrecognized servable version label: canary")

		servingtest.WantStatus(t, s.SetConfig(t.Context(), []serving.ModelConfig{with(map[string]int64{"production": 3})}), codes.FailedPrecondition,
			"Request to assign label to version 3 of model m, which is not currently available for inference")
		points("production", 2)

		s.source.drop("/m", 2)
		s.pass(time.Second)
		_, err = s.Handle(serving.ModelSpec{Model: "m", Label: "production"})
		servingtest.WantStatus(t, err, codes.NotFound, "Servable not found for request: Specific(m, 2)")

		s.config()
		_, err = s.Handle(serving.ModelSpec{Model: "m", Label: "production"})
		servingtest.WantStatus(t, err, codes.InvalidArgument, "Unrecognized servable version label: production")
	})
}

func TestLabelsForUnavailableVersions(t *testing.T) {
	inBubble(t, func(o *Options) { o.AllowLabelsForUnavailable = true }, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		c := serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}}
		try := func(labels map[string]int64) error {
			c.Labels = labels
			return s.SetConfig(t.Context(), []serving.ModelConfig{c})
		}
		if err := try(map[string]int64{"production": 1, "canary": 5}); err != nil {
			t.Fatalf("labels of a new model: %v", err)
		}
		synctest.Wait()
		if err := try(map[string]int64{"production": 1, "canary": 5, "next": 7}); err != nil {
			t.Errorf("a new label: %v", err)
		}
		servingtest.WantStatus(t, try(map[string]int64{"production": 6}), codes.FailedPrecondition,
			"Request to assign label to version 6 of model m, which is not currently available for inference")
		if err := try(map[string]int64{"canary": 1}); err != nil {
			t.Errorf("a label moved to an available version: %v", err)
		}
	})
}

func TestTheCallersMapsAreTheirOwn(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.config(latest("m", 1))
		c := latest("m", 1)
		c.Labels = map[string]int64{"production": 1}
		s.config(c)
		delete(c.Labels, "production")
		h, err := s.Handle(serving.ModelSpec{Model: "m", Label: "production"})
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
	})
}

func TestReloadWaitsForNewModels(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1, 2)
		s.puppet.took = 3 * time.Second
		start := time.Now()
		if err := s.Reload(t.Context(), []serving.ModelConfig{latest("m", 2)}); err != nil {
			t.Fatal(err)
		}
		s.want("m", "2 AVAILABLE, 1 AVAILABLE")
		if took := time.Since(start); took < 3*time.Second {
			t.Errorf("answered after %v", took)
		}

		s.puppet.fails("/n/4", status.Error(codes.InvalidArgument, "no such op"))
		s.source.put("/n", 4)
		err := s.Reload(t.Context(), []serving.ModelConfig{latest("m", 2), latest("n", 1), latest("o", 1)})
		servingtest.WantStatus(t, err, codes.Unknown, "2 model(s) did not become available: {{{name: n version: 4} due to error: INVALID_ARGUMENT: no such op}, "+
			"{{name: o} due to error: base path /o does not exist}, }")
		s.want("m", "2 AVAILABLE, 1 AVAILABLE")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.source.put("/p", 1)
		if err := s.Reload(ctx, []serving.ModelConfig{latest("p", 1)}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("reload beyond its deadline: %v", err)
		}
	})
}

func TestWaitSettled(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *stage) {
		s.source.put("/m", 1)
		s.source.put("/n", 1)
		s.puppet.took = 3 * time.Second
		s.puppet.fails("/n/1", errTest)
		if err := s.SetConfig(t.Context(), []serving.ModelConfig{latest("m", 1), latest("n", 1), latest("missing", 1)}); err != nil {
			t.Fatal(err)
		}
		if err := s.WaitSettled(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.want("m", "1 AVAILABLE")
		s.want("n", "1 LOADING")
	})
}
