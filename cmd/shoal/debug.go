package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	rtpprof "runtime/pprof"
	"sync"
	"time"
)

// debug serves profiles and a dump of all goroutines on --debug_address, which is a loopback one, until ctx ends. It has a
// listener of its own: what comes through a proxy to the REST port looks local, too, and would get in there.
func (a *app) debug(ctx context.Context, parts *sync.WaitGroup) error {
	if a.cfg.Monitoring.DebugAddress == "" {
		return nil
	}
	l, err := net.Listen("tcp", a.cfg.Monitoring.DebugAddress)
	if err != nil {
		return fmt.Errorf("--debug_address: %w", err)
	}
	a.log.Info("profiles", slog.String("url", "http://"+l.Addr().String()+"/debug/pprof/"))
	server := &http.Server{Handler: localOnly(debugPages()), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // a profile that is being taken is not waited for
	parts.Go(func() {
		if err := server.Serve(l); err != http.ErrServerClosed {
			a.log.Error("profiles are no longer served", slog.Any("error", err))
		}
	})
	return nil
}

func debugPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/goroutines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_ = rtpprof.Lookup("goroutine").WriteTo(w, 2) // as a panic prints them; an error is the client's, who left
	})
	return mux
}

// localOnly refuses what did not begin on this machine: other addresses, what a proxy passes on, and pages of other sites in
// a local browser, which reach here by a name of theirs that they point at this address.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := ""
		switch site := r.Header.Get("Sec-Fetch-Site"); {
		case !loopback(r.RemoteAddr):
			why = "requests from this machine only"
		case r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Via") != "":
			why = "no requests through a proxy"
		case !loopback(r.Host):
			why = "the address must be a loopback one, such as 127.0.0.1 or localhost, and not " + r.Host
		case site != "" && site != "none" && site != "same-origin":
			why = "no requests by pages of other sites"
		default:
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "403: profiles are for people on this machine: "+why, http.StatusForbidden)
	})
}

// loopback tells addresses of this machine, with a port or without.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
