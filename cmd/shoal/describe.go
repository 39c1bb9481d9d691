package main

import (
	"github.com/gofiber/fiber/v2"

	"shoal/serving/openapi"
	"shoal/tensor"
)

// describeAPI answers /openapi.json: the models that are served, and the server's pages that are on.
func (a *app) describeAPI() fiber.Handler {
	const prometheus, openMetrics = "text/plain", "application/openmetrics-text"
	pages := []openapi.Page{
		{Path: "/healthz", Summary: "Whether the process is alive", Open: true},
		{Path: "/readyz", Summary: "Whether every configured model has an available version", Open: true},
		{Path: "/metrics", Summary: "Metrics for Prometheus", Types: []string{prometheus, openMetrics}},
		{Path: openapi.Path, Summary: "This document"},
	}
	if m := a.files.Metrics; m.Enabled && m.Path != "/metrics" {
		pages = append(pages, openapi.Page{Path: m.Path, Summary: "Metrics by TensorFlow Serving's names too", Types: []string{prometheus}})
	}
	if a.page != nil {
		pages = append(pages, openapi.Page{Path: "/", Summary: "The status page", Types: []string{"text/html"}, Open: true})
	}
	return openapi.New(openapi.Options{Core: a.manager, Version: version, Pages: pages, Keys: a.files.keys != nil}).Handle
}

// pageExample is openapi's example as the status page takes it.
func pageExample(sig *tensor.Signature) (verb, body, why string) {
	e := openapi.ExampleOf(sig)
	return e.Verb, e.Body, e.Why
}
