package load

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The lean client. A goroutine and a netpoller for each connection cost a third of the processor time of a small request;
// a load generator that shares its machine with the server must not. So a few threads ("lanes") each serve many
// connections in a loop around epoll, with nothing shared between them.

const lanesWork = true

// startLanes opens all connections and starts the lanes.
func (a *Attack) startLanes(ctx context.Context, r *REST, o Options) error {
	addr, err := socketAddress(ctx, r.address)
	if err != nil {
		return err
	}
	lanes := make([]*lane, o.Threads)
	for i := range lanes {
		l, err := newLane(r, addr, o, i)
		if err != nil {
			for _, l := range lanes[:i] {
				l.close()
			}
			return fmt.Errorf("%s: %w", r.address, err)
		}
		l.out = collector{out: a.results}
		lanes[i] = l
	}
	start := time.Now()
	go func() {
		defer close(a.results)
		var all sync.WaitGroup
		for _, l := range lanes {
			all.Go(func() {
				// The thread ends with its goroutine, as it is never unlocked: what punctual set goes with it.
				runtime.LockOSThread()
				l.punctual()
				l.start = start
				l.loop(ctx)
				l.close()
				l.out.flush()
			})
		}
		all.Wait()
		for _, l := range lanes {
			a.totals.Unsent += l.totals.Unsent
			a.totals.Reopened += l.totals.Reopened
			a.totals.Overrun = a.totals.Overrun || l.totals.Overrun
			a.totals.Late = max(a.totals.Late, l.totals.Late)
		}
	}()
	return nil
}

// punctual asks the kernel to wake the thread on time: an open loop's sender computes little, and on a machine that the
// server keeps busy it would otherwise come late to every request. Without the right to it, it stays an ordinary thread.
func (l *lane) punctual() {
	if l.pacer != nil {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -15)
	}
}

// lane is one thread's share of the attack.
type lane struct {
	target  *REST
	addr    unix.Sockaddr
	options Options // Requests and Clients are the lane's share
	pacer   Pacer
	stride  uint64 // request k of the lane is number k·stride+offset of the attack
	offset  uint64

	start   time.Time
	epoll   int
	conns   []laneConn
	idle    []int32 // connections that can send, the one used last on top
	sending bool    // more requests will come
	flying  int     // requests sent and not answered
	next    uint64  // number of the lane's next request
	due     time.Duration
	backlog ring[order]
	out     collector
	totals  Totals
}

func newLane(r *REST, addr unix.Sockaddr, o Options, i int) (*lane, error) {
	share := func(n uint64) uint64 { // part i of n, whole numbers
		k := uint64(o.Threads)
		return n*uint64(i+1)/k - n*uint64(i)/k
	}
	l := &lane{target: r, addr: addr, options: o, stride: uint64(o.Threads), offset: uint64(i), epoll: -1}
	l.options.Clients = int(share(uint64(o.Clients)))
	if o.Requests > 0 {
		l.options.Requests = share(o.Requests)
	}
	if o.Pacer != nil {
		l.pacer = o.Pacer.Split(i, o.Threads)
		l.due = l.pacer.Next(0, 0)
	}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	l.conns = make([]laneConn, l.options.Clients)
	for i := range l.conns {
		l.conns[i].fd = -1
	}
	for i := range l.conns {
		if err := l.connect(int32(i), true); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *lane) close() {
	for i := range l.conns {
		if l.conns[i].fd >= 0 {
			_ = unix.Close(l.conns[i].fd)
		}
	}
	_ = unix.Close(l.epoll)
}

func (l *lane) now() time.Duration { return time.Since(l.start) }

// sweepEvery is how often timeouts and dead connections are looked for.
const sweepEvery = 20 * time.Millisecond

// loop sends and receives until all is sent and answered. The end of ctx ends the sending.
func (l *lane) loop(ctx context.Context) {
	var events [256]unix.EpollEvent
	sweep := sweepEvery
	l.sending = true
	if l.pacer == nil {
		l.refill()
	}
	for {
		now := l.now()
		if now >= sweep {
			l.sweep(now)
			l.out.flush()
			sweep = now + sweepEvery
			if ctx.Err() != nil {
				l.sending = false
				l.totals.Unsent += uint64(l.backlog.len())
				l.backlog = ring[order]{}
			}
		}
		if l.sending && l.pacer != nil {
			l.sending = l.dispatch(now)
		}
		if l.pacer == nil {
			l.sending = l.sending && now < l.options.Duration && !l.spent()
			if l.sending {
				l.refill()
			}
		}
		if !l.sending && l.flying == 0 {
			if l.backlog.len() == 0 || now > l.options.Duration+l.options.Timeout {
				l.totals.Unsent += uint64(l.backlog.len())
				return
			}
		}
		wait := sweep - now
		if l.sending && l.pacer != nil {
			wait = min(wait, l.due-now)
		}
		n, err := epollWait(l.epoll, events[:], max(wait, 0))
		if err != nil && err != unix.EINTR {
			return
		}
		for k, e := range events[:max(n, 0)] {
			l.ready(e.Fd, e.Events)
			if k%16 == 15 && l.sending && l.pacer != nil { // a burst of answers must not hold up what is due
				l.sending = l.dispatch(l.now())
			}
		}
	}
}

// dispatch sends what is due; it returns false once nothing more will be.
func (l *lane) dispatch(now time.Duration) bool {
	for l.due <= now {
		if l.due >= l.options.Duration || l.spent() {
			return false
		}
		o := order{l.next, l.due, now}
		l.next++
		l.due = l.pacer.Next(l.next, l.due)
		if l.backlog.len() == 0 && len(l.idle) > 0 {
			l.send(l.pop(), o)
		} else if l.backlog.len() < l.options.MaxBacklog {
			l.backlog.push(o)
		} else {
			l.totals.Overrun, l.totals.Late = true, now-o.due
			l.totals.Unsent++
			return false
		}
		now = l.now()
	}
	return l.due < l.options.Duration && !l.spent()
}

func (l *lane) spent() bool { return l.options.Requests > 0 && l.next >= l.options.Requests }

func (l *lane) pop() int32 {
	i := l.idle[len(l.idle)-1]
	l.idle = l.idle[:len(l.idle)-1]
	return i
}

// refill lets every idle client of a closed loop send.
func (l *lane) refill() {
	for len(l.idle) > 0 && !l.spent() {
		l.again(l.pop())
	}
}

// again is what a free connection does next: the oldest order that waits; in a closed loop the next request.
func (l *lane) again(i int32) {
	switch {
	case l.backlog.len() > 0 && l.now() < l.options.Duration+l.options.Timeout:
		l.send(i, l.backlog.pop())
		return
	case l.pacer == nil && l.sending && !l.spent():
		if now := l.now(); now < l.options.Duration {
			l.send(i, order{l.next, now, now})
			l.next++
			return
		}
	}
	l.idle = append(l.idle, i)
}

// sweep ends what waited too long for its answer, and makes lost connections anew.
func (l *lane) sweep(now time.Duration) {
	for i := range l.conns {
		c := &l.conns[i]
		switch {
		case c.state == connBusy && now-c.result.Sent > l.options.Timeout:
			l.finish(int32(i), TimedOut, true)
		case c.state == connLost && now >= c.retry:
			_ = l.connect(int32(i), false)
		}
	}
}

// socketAddress resolves host:port to the kernel's form.
func socketAddress(ctx context.Context, address string) (unix.Sockaddr, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	p, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			return &unix.SockaddrInet4{Port: p, Addr: ip.As4()}, nil
		}
	}
	return &unix.SockaddrInet6{Port: p, Addr: ips[0].As16()}, nil
}
