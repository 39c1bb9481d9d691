package manager

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/source"
)

func TestArrivals(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	model := func(fingerprint uint64, changedMs int) source.Contents {
		return source.Contents{Fingerprint: fingerprint, Changed: at(changedMs), HasModel: true}
	}
	without := func(c source.Contents, missing string) source.Contents { c.Missing = missing; return c }
	type look struct {
		ms       int
		c        source.Contents
		eligible bool
		pending  bool
	}
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"old files are taken at once", []look{{0, model(1, -3000), true, false}}},
		{"young files need a second look", []look{{0, model(1, -1000), false, true}, {249, model(1, -1000), false, true}, {250, model(1, -1000), true, false}}},
		{"which must find them unchanged", []look{{0, model(1, 0), false, true}, {250, model(2, 240), false, true}, {500, model(2, 240), true, false}}},
		{"times ahead of the clock do not matter", []look{{0, model(1, 9e6), false, true}, {250, model(1, 9e6), true, false}}},
		{"no model file: never", []look{{0, source.Contents{Fingerprint: 1, Missing: "saved_model.pb"}, false, false}, {60000, source.Contents{Fingerprint: 1, Missing: "saved_model.pb"}, false, false}}},
		{"a model file to come is waited for", []look{{0, source.Contents{Fingerprint: 1, Changed: at(0), Missing: "x"}, false, true}, {10000, source.Contents{Fingerprint: 1, Changed: at(0), Missing: "x"}, false, false}}},
		{"variables to come are waited for", []look{{0, without(model(1, 0), "x"), false, true}, {9999, without(model(1, 0), "x"), false, true}, {10000, without(model(1, 0), "x"), true, false}}},
		{"and for longer while they grow", []look{{0, without(model(1, 0), "x"), false, true}, {9000, without(model(2, 8000), "x"), false, true}, {17000, without(model(2, 8000), "x"), false, true}, {17500, model(3, 17400), false, true}, {17750, model(3, 17400), true, false}}},
		{"long without variables: the loader says why", []look{{0, without(model(1, -10000), "x"), true, false}}},
	} {
		var a arrivals
		for i, l := range c.looks {
			a.begin()
			v := a.judge("/m/1", l.c, at(l.ms))
			a.end()
			if v.eligible != l.eligible || v.pending != l.pending || (v.reason == "") != v.eligible {
				t.Errorf("%s, look %d: %+v", c.name, i+1, v)
			}
		}
	}
}

func TestArrivalsForgetWhatIsNotAskedAbout(t *testing.T) {
	var a arrivals
	now := time.Unix(1_000_000, 0)
	c := source.Contents{Fingerprint: 1, Changed: now, HasModel: true}
	a.begin()
	a.judge("/m/1", c, now)
	a.end()
	a.begin()
	a.end()
	a.begin()
	if v := a.judge("/m/1", c, now.Add(time.Second)); v.eligible {
		t.Error("a directory that went and came back was taken at its first look")
	}
	gone := status.Error(codes.Aborted, "its files are changing")
	if v := a.missed("/m/1", gone); v.eligible || !v.pending || v.reason != "its files are changing" {
		t.Errorf("a version that cannot be inspected: %+v", v)
	}
	a.end()
	if len(a.seen) != 0 {
		t.Errorf("remembered: %v", a.seen)
	}
}
