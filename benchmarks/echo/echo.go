// Package echo is the least that a REST server on Fiber does: it reads the body and answers the same bytes every time. What
// a server of models reaches is held against it.
package echo

import (
	"net"

	"github.com/gofiber/fiber/v2"
)

// Server answers every POST with the same bytes.
type Server struct{ app *fiber.App }

// New makes a server that answers with these bytes.
func New(answer []byte, maxBody int) *Server {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, BodyLimit: maxBody})
	app.Post("/*", func(c *fiber.Ctx) error {
		if len(c.Request().Body()) == 0 {
			return fiber.ErrBadRequest
		}
		c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
		return c.Send(answer)
	})
	return &Server{app: app}
}

// Serve answers on l until that is closed.
func (s *Server) Serve(l net.Listener) error { return s.app.Listener(l) }
