package limits

import (
	"net"

	"github.com/gofiber/fiber/v2"
)

// Echo is the least that a REST server on Fiber does: it reads the body of a POST and answers the same bytes every time.
type Echo struct{ app *fiber.App }

// NewEcho makes a server that answers with these bytes.
func NewEcho(answer []byte, maxBody int) *Echo {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, BodyLimit: maxBody})
	app.Post("/*", func(c *fiber.Ctx) error {
		if len(c.Request().Body()) == 0 {
			return fiber.ErrBadRequest
		}
		c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
		return c.Send(answer)
	})
	return &Echo{app: app}
}

// Serve answers on l until that is closed.
func (s *Echo) Serve(l net.Listener) error { return s.app.Listener(l) }
