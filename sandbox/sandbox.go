// Package sandbox is a sandbox server: it takes programs and documents from agents, has engines look at
// them, and says what they are.
//
//	agent ── POST sample ──► upload ──► tasks ──► engines ──► verdict.Report ──► results
//	      ◄─ GET task, report ──────────────────────────────────────────────────────┘
//
// It speaks the REST API that Kaspersky published for its own sandbox, so that whoever can ask that one
// can ask this one, with a few calls more: the report of a task, the state of a content by its hash, the
// version of what is judged by. docs/sandbox-api.md and openapi.yaml describe it.
//
// # What is promised
//
// A content is looked at once: it is known by its SHA-256, two uploads at one moment share a task, and a
// verdict stands until the engines or their rules change ([Engine.Version]). A task that
// was taken is finished, also when the server is killed meanwhile; what is forgotten is answered with 404,
// upon which agents send it again.
//
// # Everything that comes in is hostile
//
// Clients: connections, uploads, time, memory and disk are bounded for each and for all; no name
// that a client sends becomes a path. Samples: they lie in a folder that only the server's user can read,
// without execute permission and without their names, until there is a verdict. The server itself never
// parses them: engines do, in processes that can do nothing else.
//
// # How an engine is added
//
// Implement [Engine] in a package below this one and enter it where the command tyto sandbox serve builds
// the list (cmd/tyto/sandbox_serve.go). An engine says what it saw as behaviours with scores; the server
// combines the scores of all engines as those of findings are combined, and nothing else knows which engines
// there are.
package sandbox
