package web

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"shoal/serving"
	"shoal/tensor"
)

var screenshots = flag.String("screenshots", "", "directory for pictures of the page, of desktop and phone, light and dark")

// TestBrowser is the page as people use it, while requests run.
func TestBrowser(t *testing.T) {
	s := newSite(t)
	b := newBrowser(t)
	ctx, stop := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	traffic.Go(func() { s.traffic(ctx, t) })
	defer traffic.Wait()
	defer stop()

	b.do(chromedp.Navigate(s.url + "/"))
	b.until(`document.querySelectorAll("#model-table tbody tr:not([hidden])").length === 6 && document.getElementById("live").textContent === "live"`)

	b.run("models", func(t *testing.T) {
		table := b.text("#model-table")
		for _, want := range []string{"half", "stable", "canary", "available", "broken", "failed", "there is no saved_model.pb", "batches of up to 32 rows (measured) · 2 instances · loaded in 250 ms · 12.7 MB of memory"} {
			if !strings.Contains(table, want) {
				t.Errorf("the table does not say %q:\n%s", want, table)
			}
		}
		b.until(`document.querySelector("#model-table tbody tr td:nth-child(4)").textContent > "0"`)
	})
	b.run("charts", func(*testing.T) {
		const drawn = `[...document.querySelectorAll(".chart canvas")].map((c) => c.toDataURL()).join()`
		b.until(`document.querySelectorAll(".chart canvas").length === 6`)
		b.until(`document.querySelector("#chart-requests .values").textContent.match(/answered [1-9]/)`)
		b.until(`document.querySelector("#chart-batch .values").textContent.match(/rows [1-9]/)`)
		b.until(`document.querySelector("#chart-devices .values").textContent.includes("50 %")`)
		b.until(`document.getElementById("devices").textContent.includes("half version 2: 2 instances · not on this device: Cast, StringJoin ×2")`)
		for _, c := range [][2]string{{"latency", "log scale"}, {"run", "log scale"}, {"devices", "whole machine"}} {
			b.until(fmt.Sprintf(`document.querySelector("#chart-%s small").textContent.includes(%q)`, c[0], c[1]))
		}
		b.until(`document.getElementById("tiles").textContent.includes("of 4, all models")`)
		// The line of the rows lies on the one with padding.
		b.until(`(() => {
			const canvas = document.querySelector("#chart-batch canvas"), data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
			const near = (i, ...rgb) => rgb.every((x, j) => Math.abs(data[i + j] - x) < 16);
			for (let i = 0; i < data.length; i += 4) if (near(i, 11, 127, 128)) return true;
		})()`)
		b.is(`window.before = ` + drawn)
		b.until(drawn + ` !== window.before`)
	})
	b.run("slow requests", func(t *testing.T) {
		b.until(`document.querySelectorAll("#slow li svg rect.run").length > 0`)
		if text := b.text("#slow li"); !strings.Contains(text, "half") || !strings.Contains(text, "run ") {
			t.Errorf("a slow request says %q", text)
		}
	})
	b.run("form", func(t *testing.T) {
		b.do(chromedp.Click(`[data-try="half/1"]`))
		b.until(`document.getElementById("try-version").value === "version=1" && document.getElementById("try-body").value === '{"instances":[0.0]}'`)
		b.write("#try-body", `{"instances": [5.0, 7.0]}`)
		if curl := b.text("#try-curl"); curl != `curl -d '{"instances": [5.0, 7.0]}' '`+s.url+`/v1/models/half/versions/1:predict'` {
			t.Errorf("curl: %s", curl)
		}
		b.do(chromedp.Click("#try-form [type=submit]"))
		b.until(`document.getElementById("try-output").textContent.replace(/\s/g, "") === '{"predictions":[2.5,3.5]}'`)
		if code := b.text("#try-code"); code != "200" {
			t.Errorf("code %q", code)
		}
		const answer = `document.getElementById("try-output").textContent`
		b.write("#try-body", `{"instances": [2.0, NaN, 18014398509481984.0]}`)
		b.do(chromedp.Click("#try-form [type=submit]"))
		b.until(answer + ` === '{"predictions": [1.0, NaN, 9007199000000000.0]}'`)
		b.write("#try-body", `{"instances": [`+strings.Repeat("2.0,", 31)+`2.0]}`)
		b.do(chromedp.Click("#try-form [type=submit]"))
		b.until(answer + `.split("\n").length === 6 && ` + answer + `.startsWith('{\n  "predictions": [\n    1.0, 1.0, ')`)
		b.write("#try-body", "{")
		b.do(chromedp.Click("#try-form [type=submit]"))
		b.until(`document.getElementById("try-code").textContent === "400" && document.getElementById("try-output").textContent.includes("error")`)
		b.forgive("400")
	})
	b.run("a new version appears", func(*testing.T) {
		s.core.load(t, "half", 3, s.BatchObserver(nil)("half", 3))
		b.until(`[...document.querySelectorAll("#model-table tbody tr")].some((r) => r.innerText.includes("3") && r.innerText.includes("available") && r.cells[1].textContent === "3")`)
		b.until(`document.getElementById("announce").textContent.includes("half version 3 is available")`)
		if v := b.is(`document.getElementById("try-body").value === "{" && document.getElementById("try-version").value === "version=1"`); !v {
			b.t.Error("what was typed into the form is lost")
		}
	})
	b.run("pause", func(*testing.T) {
		b.do(chromedp.Click("#pause"))
		b.until(`document.getElementById("live").textContent === "paused"`)
		b.do(chromedp.Click("#pause"))
		b.until(`document.getElementById("live").textContent === "live"`)
	})
	b.run("hidden", func(*testing.T) {
		const hide = `Object.defineProperty(document, "hidden", {value: %v, configurable: true}) && document.dispatchEvent(new Event("visibilitychange"))`
		b.is(fmt.Sprintf(hide, true))
		b.eventually("the stream ends", func() bool { return s.watched() == 0 })
		b.is(fmt.Sprintf(hide, false))
		b.eventually("one stream begins", func() bool { return s.watched() == 1 })
		b.until(`document.getElementById("live").textContent === "live"`)
	})
	b.run("configuration", func(t *testing.T) {
		if text := b.text("#config"); !strings.Contains(text, "models.config") || strings.Contains(text, "enable_batching") {
			t.Errorf("at first the configuration shows what was set:\n%s", text)
		}
		b.do(chromedp.Click("#config-all"))
		b.until(`document.getElementById("config").textContent.includes("enable_batching")`)
		b.do(chromedp.Click("#config-all"))
	})
	b.run("not ready", func(*testing.T) {
		s.core.mu.Lock()
		s.core.reasons = []string{"model broken: version 7 failed to load"}
		s.core.mu.Unlock()
		b.until(`document.getElementById("ready").textContent === "not ready" && document.getElementById("reasons").innerText.includes("version 7")`)
		s.core.mu.Lock()
		s.core.reasons = nil
		s.core.mu.Unlock()
		b.until(`document.getElementById("ready").textContent === "ready" && document.getElementById("reasons").hidden`)
	})
	b.run("phone", func(*testing.T) {
		b.do(chromedp.EmulateViewport(390, 844))
		b.until(`document.documentElement.scrollWidth <= 390`)
		b.until(`[...document.querySelectorAll("#model-table tbody th")].filter((th) => !th.parentElement.hidden).every((th) => th.innerText.match(/half|broken/) && th.offsetHeight > 10 && th.firstChild.parentElement.offsetWidth > 100)`)
		b.until(`[...document.querySelectorAll("#model-table .again")].filter((e) => e.offsetParent).every((e) => e.offsetWidth > 10)`)
	})
	b.picture()
	stop()
	traffic.Wait()
	b.run("no models", func(*testing.T) {
		s.core.mu.Lock()
		s.core.models = nil
		s.core.mu.Unlock()
		b.until(`!document.getElementById("no-models").hidden && document.querySelector("#try-form [type=submit]").disabled`)
	})
	b.run("connection lost", func(*testing.T) {
		s.Close()
		b.until(`document.getElementById("live").textContent === "connection lost"`)
		s.hub.mu.Lock()
		s.hub.closed = false
		s.hub.mu.Unlock()
		b.until(`document.getElementById("live").textContent === "live"`)
		s.hub.close()
		b.forgive("503")
	})
}

// TestFirstForm: the form begins with a model and a signature that there is an example of, and is never empty.
func TestFirstForm(t *testing.T) {
	s := newSite(t)
	named := func(signature, input string) *tensor.Signature {
		spec := func(name string) []tensor.Spec {
			return []tensor.Spec{{Name: name, DType: tensor.Float32, Shape: tensor.Shape{-1}}}
		}
		return &tensor.Signature{Name: signature, Method: "tensorflow/serving/predict", Inputs: spec(input), Outputs: spec("y")}
	}
	big, mixed := newHalf(t, nil), newHalf(t, nil)
	big.Signatures = map[string]*tensor.Signature{"serving_default": named("serving_default", "large")}
	mixed.Signatures = map[string]*tensor.Signature{
		"serving_default": big.Signatures["serving_default"], "small": named("small", "x"), "another": named("another", "x"),
	}
	s.core.serve("big", 1, big)
	s.core.serve("mixed", 1, mixed)
	s.core.mu.Lock()
	slices.SortFunc(s.core.models, func(a, b serving.ModelStatus) int { return strings.Compare(a.Name, b.Name) })
	s.core.mu.Unlock()

	b := newBrowser(t)
	b.do(chromedp.Navigate(s.url + "/"))
	b.until(`document.getElementById("try-model").value === "half" && document.getElementById("try-signature").value === "serving_default"`)
	b.until("document.getElementById(\"try-body\").value === `{\"instances\":[0.0]}`")
	choose := func(list, value string) {
		b.is(fmt.Sprintf(`((list) => { list.value = %q; list.dispatchEvent(new Event("change")); })(document.getElementById(%q)) === undefined`, value, list))
	}
	choose("try-model", "mixed")
	b.until(`document.getElementById("try-signature").value === "another"`)
	choose("try-signature", "small")
	b.until(`document.getElementById("try-curl").textContent.includes("mixed:predict")`)
	choose("try-model", "big")
	b.until("document.getElementById(\"try-body\").value === `{\"inputs\":{\"large\":[]}}` && document.getElementById(\"try-hint\").textContent.includes(\"its inputs are large\")")
	choose("try-model", "mixed")
	b.until(`document.getElementById("try-signature").value === "small"`)
}

// picture takes the pictures that -screenshots asks for.
func (b *browser) picture() {
	if *screenshots == "" {
		return
	}
	for _, size := range []struct {
		name   string
		width  int64
		height int64
	}{{"desktop", 1280, 900}, {"phone", 390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(size.width, size.height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				})
				return err
			}))
			b.until(fmt.Sprintf(`matchMedia("(prefers-color-scheme: %s)").matches`, scheme))
			count, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#slow time").textContent`))
			if err != nil {
				b.t.Fatal(err)
			}
			b.until(fmt.Sprintf(`document.querySelector("#slow time").textContent !== %q`, count))
			image, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.t.Fatal(err)
			}
			file := filepath.Join(*screenshots, size.name+"-"+scheme+".png")
			if err := os.WriteFile(file, image, 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}
