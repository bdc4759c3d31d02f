package jail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"tyto/sandbox"
)

// way is how a sample is started.
type way int

const (
	byKernel way = iota // as it is: a program, or a script that names its interpreter
	byShell             // by sh
)

// headLength is what is read of a sample to tell how it is started.
const headLength = 4 << 10

// howToRun says how a sample is started, or why it is not. It looks at a few fixed bytes only: parsing is not for
// this process.
func howToRun(r io.ReaderAt, s sandbox.Sample) (how way, reason string, err error) {
	head := make([]byte, headLength)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0, "", err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return byKernel, elfReason(head), nil
	case bytes.HasPrefix(head, []byte("#!")):
		return byKernel, "", nil
	case isShellScript(head, s.Name):
		return byShell, "", nil
	case bytes.HasPrefix(head, []byte("MZ")):
		return 0, "Windows programs cannot be run here, they are only looked at", nil
	}
	return 0, "it is neither a Linux program nor a script", nil
}

// elfReason says why an ELF file cannot be run here. For the fields see elf(5).
func elfReason(head []byte) string {
	const (
		class64, littleEndian = 2, 1
		executable, shared    = 2, 3
		machineX8664          = 62
	)
	if len(head) < 64 {
		return "its header is cut off"
	}
	kind, machine := binary.LittleEndian.Uint16(head[16:]), binary.LittleEndian.Uint16(head[18:])
	switch {
	case head[4] != class64 || head[5] != littleEndian || machine != machineX8664:
		return fmt.Sprintf("it is a program for another processor (machine %d, class %d)", machine, head[4])
	case kind != executable && kind != shared:
		return "it is an object file, a module or a memory dump, not a program"
	}
	return ""
}

// isShellScript reports whether a content without a first line that says so is a script for sh: it is text and bears
// a name as scripts do.
func isShellScript(head []byte, name string) bool {
	if len(head) == 0 || bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".sh", ".bash", ".ksh", ".ash", ".run", ".command":
		return true
	}
	return false
}
