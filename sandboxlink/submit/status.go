package submit

import "time"

// ServerStatus is how one server does.
type ServerStatus struct {
	// Name is the server's address as a URL without path, "https://sandbox.example:443". It is the name by which
	// events, deliveries and states refer to the server.
	Name string
	Kind string
	// Unprotected reports plain HTTP.
	Unprotected bool
	// Err says why the server is rested, Since when its trouble began, Until when it will be asked again. Err is
	// nil if all is well, or nothing has been asked yet.
	Err          error
	Since, Until time.Time
	// Success is when it last gave a sensible answer; zero if it never did.
	Success time.Time
	// Uploads and Verdicts count since the start.
	Uploads, Verdicts int64
	// Database is the version of what it judges by, as last seen.
	Database string
}

// Status returns how the servers do, in their order. It asks nobody.
func (s *Submitter) Status() []ServerStatus {
	var all []ServerStatus
	for _, sv := range s.servers {
		sv.mu.Lock()
		status := ServerStatus{Name: sv.name, Kind: sv.settings.Kind, Unprotected: sv.plain, Success: sv.success,
			Uploads: sv.uploads, Verdicts: sv.verdicts, Database: sv.database}
		for _, h := range []*health{&sv.line, &sv.intake} {
			if h.failures > 0 {
				status.Err, status.Since, status.Until = h.err, h.since, h.until
				break
			}
		}
		sv.mu.Unlock()
		all = append(all, status)
	}
	return all
}

// Retry ends the rests of all servers: a person knows that they are back.
func (s *Submitter) Retry() {
	for _, sv := range s.servers {
		sv.mu.Lock()
		sv.line.until, sv.intake.until = time.Time{}, time.Time{}
		sv.mu.Unlock()
	}
	s.changed.signal()
}
