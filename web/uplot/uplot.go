// Package uplot is uPlot 1.6.32 (https://github.com/leeoniya/uPlot), a chart library under the MIT licence, for the pages that
// carry it inside them. The licence asks to stay with it.
package uplot

import _ "embed"

// The library's files, as published on npm.
var (
	//go:embed uplot.js
	JS []byte
	//go:embed uplot.css
	CSS []byte
	//go:embed LICENSE.txt
	License []byte
)
