package main

import (
	"tyto/scanner"
	"tyto/scanner/critical"
)

// addCritical adds the critical areas to what a scan looks at, and returns the names of all that it
// looks at, for its reports. What is excluded and Tyto's own is the same as in the walk.
func addCritical(opts *scanner.Options, paths []string) []string {
	opts.Sources = append(opts.Sources, critical.New(critical.Options{
		Own: opts.Walk.Own, Exclude: opts.Walk.Exclude, Log: opts.Log,
	}))
	return append([]string{"critical areas"}, paths...)
}
