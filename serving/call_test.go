package serving

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// noting is an observer that notes its calls under a name.
type noting struct {
	name string
	seen *[]string
}

func (n noting) Begin(ctx context.Context, c *Call) context.Context {
	*n.seen = append(*n.seen, n.name+" begin "+c.Method)
	return context.WithValue(ctx, n, n.name)
}

func (n noting) Done(c *Call) {
	inner, _ := c.Context.Value(n).(string)
	*n.seen = append(*n.seen, n.name+" done "+inner)
}

// Joined observers are called one after the other, and the context goes through all of them.
func TestJoin(t *testing.T) {
	var seen []string
	o := Join(nil, noting{"a", &seen}, nil, noting{"b", &seen})
	c := Call{Method: "Predict"}
	c.Context = o.Begin(t.Context(), &c)
	o.Done(&c)
	if want := []string{"a begin Predict", "b begin Predict", "a done a", "b done b"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
	none := Join(nil)
	if none.Begin(c.Context, &c) != c.Context {
		t.Error("no observer changes the context")
	}
	none.Done(&c)
}

func TestLaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Call{Start: time.Now()}
		time.Sleep(time.Second)
		c.Decode = c.Lap()
		time.Sleep(1234567 * time.Nanosecond)
		c.Run = c.Lap()
		if got := string(c.AppendTiming([]byte("> "))); got != "> decode;dur=1000.000, run;dur=1.234, encode;dur=0.000" {
			t.Error(got)
		}
		c.BatchRows, c.Queue = 1, 20*time.Microsecond
		if got := string(c.AppendTiming(nil)); got != "decode;dur=1000.000, queue;dur=0.020, run;dur=1.234, encode;dur=0.000" {
			t.Error(got)
		}
	})
}

func TestAppendPhase(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000", -time.Second: "0.000", 999: "0.000", 1500 * time.Microsecond: "1.500", 61 * time.Second: "61000.000", 7*time.Millisecond + 42*time.Microsecond: "7.042",
	} {
		if got := string(appendPhase(nil, "", d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
