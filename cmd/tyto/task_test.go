package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"tyto/agent/control"
	"tyto/agent/control/controltest"
)

// standin starts an agent that does nothing, whose runs all have the report of package report's sample, and
// tells the commands where it is.
func standin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: standin")
	}
	sample, err := os.ReadFile(filepath.Join(ts.Getenv("ROOT"), "report", "testdata", "sample.jsonl"))
	ts.Check(err)
	address := filepath.Join(ts.Getenv("WORK"), "agent.sock")
	if runtime.GOOS == "windows" {
		address = `\\.\pipe\` + filepath.Base(ts.Getenv("WORK"))
	}
	ts.Setenv("TYTO_SOCKET", address)
	l, err := control.Listen(address, control.Access{})
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	agent := controltest.New(strings.Split(strings.TrimSpace(string(sample)), "\n")...)
	go func() { done <- control.NewServer(agent, control.ServerOptions{}).Serve(ctx, l) }()
	ts.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			ts.Logf("the stand-in ended with %v", err)
		}
	})
}
