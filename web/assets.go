package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"shoal/web/uplot"
)

// assets are the page's own files as a browser gets them; nothing builds them.
//
//go:embed assets
var assets embed.FS

// kinds are the types of the assets; those of the system's own table differ from machine to machine.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// policy lets the page load and call nothing but its own server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Paths are the page's own, each with its handler; they fit rest.Options.Paths.
func (p *Page) Paths() map[string]fiber.Handler {
	paths := map[string]fiber.Handler{
		"/status/events": guard(p.events),
		"/status/model":  guard(p.model),
	}
	for name, content := range map[string][]byte{"uplot.js": uplot.JS, "uplot.css": uplot.CSS, "uplot.LICENSE.txt": uplot.License} {
		paths["/status/assets/"+name] = guard(file(name, content))
	}
	files, err := fs.ReadDir(assets, "assets")
	if err != nil {
		panic(err) // they are in the binary
	}
	for _, f := range files {
		content, err := fs.ReadFile(assets, path.Join("assets", f.Name()))
		if err != nil {
			panic(err)
		}
		at := "/status/assets/" + f.Name()
		if f.Name() == "index.html" {
			at = "/"
		}
		paths[at] = guard(file(f.Name(), content))
	}
	return paths
}

// IsStatic tells the paths of the page itself, which are the same on every server, from those that tell something of this one.
func IsStatic(path string) bool { return path == "/" || strings.HasPrefix(path, "/status/assets/") }

// guard lets nothing but questions through, and sets the headers that every answer has.
func guard(next fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, policy)
		c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
		c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
		c.Set(fiber.HeaderCacheControl, "no-store")
		if m := c.Method(); m != http.MethodGet && m != http.MethodHead {
			c.Set(fiber.HeaderAllow, "GET, HEAD")
			return c.SendStatus(http.StatusMethodNotAllowed)
		}
		return next(c)
	}
}

// file answers with a file, or with 304 to a browser that has it.
func file(name string, content []byte) fiber.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	kind := kinds[path.Ext(name)]
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderETag, tag)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		if c.Get(fiber.HeaderIfNoneMatch) == tag {
			return c.SendStatus(http.StatusNotModified)
		}
		c.Set(fiber.HeaderContentType, kind)
		return c.Send(content)
	}
}
