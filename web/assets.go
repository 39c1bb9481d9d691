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

// assets are the page's files as browsers get them. There is no build step.
//
//go:embed assets
var assets embed.FS

// kinds are the content types of the assets. The system's table is not used, because it differs between machines.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// policy allows the page to load from and call its own server only.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Paths returns the page's paths with their handlers. They fit rest.Options.Paths.
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

// IsStatic reports whether a path is a file of the page, which is the same on every server. Other paths return data of this server.
func IsStatic(path string) bool { return path == "/" || strings.HasPrefix(path, "/status/assets/") }

// guard rejects requests other than GET and HEAD, and sets the headers of every answer.
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

// file answers with a file, or with 304 if the browser has it.
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
