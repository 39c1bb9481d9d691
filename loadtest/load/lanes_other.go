//go:build !linux

package load

import (
	"context"
	"errors"
)

// lanesWork: the lean client is made of Linux's epoll.
const lanesWork = false

func (a *Attack) startLanes(context.Context, *REST, Options) error {
	return errors.ErrUnsupported
}
