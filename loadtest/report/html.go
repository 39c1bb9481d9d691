package report

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"

	"shoal/loadtest/load"
	"shoal/web/uplot"
)

//go:embed assets
var assets embed.FS

// asset is a file of the page, which carries all of them inside.
func asset(name string) string {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is compiled in
	}
	return string(b)
}

var page = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"ms": ms, "number": number, "bytes": bytesText, "faults": faults,
	"percent": func(v float64) string { return fmt.Sprintf("%.4g%%", 100*v) },
	"share":   func(k, n uint64) float64 { return 100 * float64(k) / float64(n) },
	"join":    func(s []string) string { return strings.Join(s, " ") },
	"bad":     func(s *load.Summary) uint64 { return s.Sent - s.Good + s.Unsent },
	"times": func(s *load.Summary) []namedPercentiles {
		from := "from sending to the answer"
		if s.OfferedRate > 0 {
			from = "from the due time to the answer"
		}
		rows := []namedPercentiles{{"latency", from, s.Latency}}
		if s.Server != nil {
			rows = append(rows, namedPercentiles{"decode", "as the server tells", s.Server.Decode}, namedPercentiles{"queue", "as the server tells", s.Server.Queue},
				namedPercentiles{"run", "as the server tells", s.Server.Run}, namedPercentiles{"encode", "as the server tells", s.Server.Encode})
		}
		if s.OfferedRate > 0 {
			rows = append(rows, namedPercentiles{"generator late", "must stay below 1 ms at p99", s.Lateness}, namedPercentiles{"no free client", "waited for one", s.Waited})
		}
		return rows
	},
	"css": func(name string) template.CSS { return template.CSS(asset(name)) },
	"js":  func(name string) template.JS { return template.JS(asset(name)) },
	"chartLibrary": func() template.JS { // with its licence, which asks to stay with it
		return template.JS("/*! uPlot\n" + string(uplot.License) + "*/\n" + string(uplot.JS))
	},
	"chartStyle": func() template.CSS { return template.CSS(uplot.CSS) },
	"data": func(d *Document) (template.JS, error) {
		b, err := json.Marshal(d) // which escapes <, > and &: nothing ends the script element early
		return template.JS(b), err
	},
}).Parse(asset("report.html")))

type namedPercentiles struct {
	Name, Note string
	load.Percentiles
}

// RenderHTML writes the page.
func (d *Document) RenderHTML(w io.Writer) error { return page.Execute(w, d) }

// WriteHTML writes the page to a file.
func (d *Document) WriteHTML(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := d.RenderHTML(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
