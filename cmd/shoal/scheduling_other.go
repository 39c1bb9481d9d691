//go:build !linux

package main

import "errors"

func batchThreads() error { return errors.ErrUnsupported }
