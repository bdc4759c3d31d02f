package worker

import (
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// handleOS does what needs Linux.
func (h *testHandler) handleOS(verb, arg string) error {
	switch verb {
	case "signal": // to the own process
		unix.Kill(os.Getpid(), unix.SignalNum(arg))
		time.Sleep(time.Hour)
	case "raw": // bytes to the broker
		b, err := hex.DecodeString(arg)
		if err != nil {
			return err
		}
		unix.Write(socketFD, b)
		time.Sleep(time.Hour)
	case "hang-up":
		unix.Close(socketFD)
		time.Sleep(time.Hour)
	case "stderr":
		for range 100 {
			unix.Write(2, make([]byte, 4096))
		}
		return nil
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// testEnvironment is what the test binary needs as a worker: the race detector waits for a second
// before a process exits.
func testEnvironment() []string { return []string{"GORACE=atexit_sleep_ms=0"} }
