package worker

import (
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

func TestCause(t *testing.T) {
	const limit = 500 << 20
	verdict := &LostError{finding.Timeout, "takes longer than 1s"}
	tests := []struct {
		name    string
		exit    exit
		err     error
		verdict *LostError
		used    int64
		want    LostError
		byOther bool
	}{
		{"the broker killed it", exit{state: "signal: killed", killed: true}, io.EOF, verdict, 0, *verdict, false},
		{"somebody else killed it", exit{state: "signal: killed", killed: true}, io.EOF, nil, 0,
			LostError{finding.Crashed, "signal: killed"}, true},
		{"killed for nonsense", exit{state: "signal: killed", killed: true}, fmt.Errorf("%w: nonsense", errProtocol), nil, 0,
			LostError{finding.Crashed, "protocol violation: nonsense"}, false},
		{"go was refused memory", exit{state: "exit status 2", stderr: []byte("fatal error: runtime: out of memory\n\nruntime stack:\n")}, io.EOF, nil, 0,
			LostError{finding.OutOfMemory, "fatal error: runtime: out of memory"}, false},
		{"c was refused memory", exit{state: "exit status 2", stderr: []byte("SIGSEGV: segmentation violation\nPC=0x0\n")}, io.EOF, nil, 480 << 20,
			LostError{finding.OutOfMemory, "signal: segmentation fault after using 480 of 500 MiB"}, false},
		{"c broke", exit{state: "exit status 2", stderr: []byte("SIGSEGV: segmentation violation\nPC=0x0\n")}, io.EOF, nil, 100 << 20,
			LostError{finding.Crashed, "signal: segmentation fault"}, false},
		{"go panicked", exit{state: "exit status 2", stderr: []byte("noise\npanic: index out of range\n\ngoroutine 1")}, io.EOF, nil, 0,
			LostError{finding.Crashed, "exit status 2: panic: index out of range"}, false},
		{"silent exit", exit{state: "exit status 0"}, io.EOF, nil, 0,
			LostError{finding.Crashed, "exit status 0"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, byOther := test.exit.cause(test.err, test.verdict, test.used, limit)
			if diff := cmp.Diff(test.want, *got); diff != "" || byOther != test.byOther {
				t.Errorf("by other %v, want %v (-want +got):\n%s", byOther, test.byOther, diff)
			}
		})
	}
}
