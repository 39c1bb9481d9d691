package serving

import "context"

// Observer is shown every call of every protocol: metrics, traces, logs and the status page are observers. Its methods must not
// change the call, nor keep it after they return.
type Observer interface {
	// Begin is called when a request has arrived. It returns the context in which the request is answered, which may carry more than
	// ctx does. Of the call, Context, API, Method, Start and Exchange are known.
	Begin(ctx context.Context, c *Call) context.Context
	// Done is called when the answer is complete. A call that was refused before it was read has no Begin.
	Done(c *Call)
}

// Join makes one observer of several, called in this order. Nil ones are left out.
func Join(observers ...Observer) Observer {
	var all joined
	for _, o := range observers {
		if o != nil {
			all = append(all, o)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

type joined []Observer

// Begin implements Observer.
func (j joined) Begin(ctx context.Context, c *Call) context.Context {
	for _, o := range j {
		ctx = o.Begin(ctx, c)
	}
	return ctx
}

// Done implements Observer.
func (j joined) Done(c *Call) {
	for _, o := range j {
		o.Done(c)
	}
}
