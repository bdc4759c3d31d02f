//go:build !linux

package main

import (
	"errors"
	"time"
)

func usage() (cpu time.Duration, memory int64, err error) {
	return 0, 0, errors.New("processor time and memory are measured on Linux only")
}
