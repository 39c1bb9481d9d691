package web

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shoal/serving/access"
)

// TestBrowserKey is the page of a server that asks for a key: it asks the person for one, says what is wrong with it, sends it
// with everything, and keeps it nowhere.
func TestBrowserKey(t *testing.T) {
	const predictKey, adminKey = "predict-key-0123456789", "admin-key-0123456789"
	keys, err := access.NewKeys([]byte("predict " + predictKey + "\nadmin " + adminKey))
	if err != nil {
		t.Fatal(err)
	}
	s := newSiteWith(t, keys)
	b := newBrowser(t)
	b.do(chromedp.Navigate(s.url + "/"))
	const asks, says = `!document.getElementById("key-form").hidden`, `document.getElementById("key-why").textContent`
	give := func(key string) {
		b.write("#key-input", key)
		b.do(chromedp.Click("#key-form [type=submit]"))
	}
	b.until(asks + ` && ` + says + ` === ""`)
	if text := b.text("body"); strings.Contains(text, "half") {
		t.Errorf("without a key the page shows %s", text)
	}
	give("no-key-of-this-server")
	b.until(asks + ` && ` + says + `.includes("does not know that key")`)
	give(predictKey)
	b.until(asks + ` && ` + says + `.includes("for administration")`)
	give(adminKey)
	b.until(`document.getElementById("live").textContent === "live" && document.getElementById("key-form").hidden`)
	b.do(chromedp.Click(`[data-try="half/1"]`))
	b.until(`document.getElementById("try-version").value === "version=1" && document.getElementById("try-body").value === '{"instances":[0.0]}'`)
	b.do(chromedp.Click("#try-form [type=submit]"))
	b.until(`document.getElementById("try-output").textContent.replace(/\s/g, "") === '{"predictions":[0.0]}'`)
	if want := `curl -H "Authorization: Bearer $SHOAL_API_KEY" -d '{"instances":[0.0]}' '` + s.url + `/v1/models/half/versions/1:predict'`; b.text("#try-curl") != want {
		t.Errorf("curl: %s, want %s", b.text("#try-curl"), want)
	}
	if !b.is(`localStorage.length === 0 && sessionStorage.length === 0 && document.cookie === "" && document.getElementById("key-input").value === ""`) {
		t.Error("the page keeps the key")
	}
	b.do(chromedp.Navigate(s.url + "/"))
	b.until(asks)
	b.forgive("401")
	b.forgive("403")
}
