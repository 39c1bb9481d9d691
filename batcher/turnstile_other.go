//go:build !linux

package batcher

import "runtime"

// turnstile stands for the one of Linux, which looks at the network, too.
type turnstile struct{}

func newTurnstile() *turnstile { return &turnstile{} }

func (*turnstile) pass() { runtime.Gosched() }

func (*turnstile) close() {}
