package sandbox

import (
	"context"

	"tyto/verdict"
)

// Engine is one way of looking at a sample: at its bytes, by running it in a jail, in a virtual machine. An
// engine must be safe for concurrent use; what it shares between samples is its own to protect.
type Engine interface {
	// Name is short, in lower case, and stable: "static", "jail". It appears in reports.
	Name() string
	// Version changes whenever the engine could judge an unchanged sample differently: with its code, its
	// rules, its settings. It is part of the database version, on whose change all verdicts are forgotten.
	// It does not change while the engine lives.
	Version() string
	// Examine looks at one sample. It must return when ctx ends, with what it has seen until then or
	// an error. An error means that the engine could not tell; that a sample cannot be run by this engine, or ran
	// until its time was up, is no error but a Seen that says so in Engine.Saw and Engine.Blind.
	//
	// The engine must leave nothing behind that runs, and must not change the sample's file.
	Examine(ctx context.Context, s Sample) (*Seen, error)
}

// Sample is what an engine looks at.
type Sample struct {
	// Path is a private copy, which only the server's user can read. It is inert: mode 0400, named by its
	// hash. It is deleted after the last engine has returned.
	Path string
	// Name is what the client called it, without folders and control characters, at most 255 bytes, perhaps
	// empty. It comes from outside: it is for looking at and for showing, never a path on this computer.
	Name string
	// Size is in bytes.
	Size int64
	// SHA256 is in lower-case hexadecimal digits.
	SHA256 string
	// Type is what package filetype says of the first bytes, as a confined process found it; empty
	// if it is not known.
	Type string
}

// Seen is what one engine saw of a sample, in the words of [verdict.Report]. Lists may be long: the server
// cuts them to the report's limits. Nothing in it is trusted.
type Seen struct {
	// Engine says what was done (Saw) and what this engine cannot see of this sample (Blind). Name, Version,
	// Seconds, Score and Level are filled in by the server.
	Engine verdict.Engine
	// Platform is where the sample ran: "linux", "windows"; empty if it did not run.
	Platform string
	// Users and Computer are names of the jail's or machine's accounts and of the computer, which occur in
	// paths and are no indicators.
	Users    []string
	Computer string

	// Threats are names of what the sample is, the most telling first: names of rules. Often there are none.
	Threats []string
	// Behaviours carry the scores. Their Engine is filled in by the server.
	Behaviours  []verdict.Behaviour
	Dropped     []verdict.Dropped
	Files       []verdict.FileAct
	Processes   []verdict.Process
	Registry    []verdict.Registry
	Services    []verdict.Service
	Mutexes     []string
	Domains     []string
	URLs        []string
	Connections []verdict.Connection
}
