package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"tyto/scanner/filetype"
)

// Request is what a [Handler] is asked.
type Request struct {
	// Name is what the file is called.
	Name string `json:"name"`
	// TypeOnly asks for the type and nothing else.
	TypeOnly bool `json:"type_only,omitempty"`
}

// Handler answers requests in a worker process. It implements worker.Handler; the zero value is ready.
type Handler struct{}

// Setup implements worker.Handler: there is nothing to set up.
func (Handler) Setup([]byte, []*os.File) error { return nil }

// Handle answers a [Request] with [Facts], both in JSON.
func (Handler) Handle(request []byte, f *os.File, respond func([]byte) error) error {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if f == nil {
		return errors.New("the request comes without a file")
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the file: %w", err)
	}
	facts := &Facts{}
	if r.TypeOnly {
		head := make([]byte, filetype.HeadSize)
		n, _ := f.ReadAt(head, 0) // what cannot be read has no type
		facts.Type = filetype.Detect(head[:n])
	} else if facts, err = Look(f, info.Size(), r.Name); err != nil {
		return err
	}
	answer, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("write the facts: %w", err)
	}
	return respond(answer)
}
