//go:build !linux && !windows

package worker

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// errPlatform is what everything here returns.
var errPlatform = fmt.Errorf("worker processes are not supported on %s: use --in-process", runtime.GOOS)

type launcher struct{}

func newLauncher(*Config) (*launcher, error) { return nil, errPlatform }
func (*launcher) launch() (*process, error)  { return nil, errPlatform }
func (*launcher) close()                     {}
func systemEnvironment() map[string]string   { return nil }
func openConnection() (*connection, error)   { return nil, errPlatform }
func confine(hello, *report) error           { return errPlatform }
func refused(err error) bool                 { return os.IsPermission(err) }
func attempts(probeTargets) []attempt        { return nil }

type osProcess struct{}

func (*osProcess) attach([]byte, *os.File) ([]byte, error) { return nil, errPlatform }
func (*osProcess) send([]byte) error                       { return errPlatform }
func (*osProcess) read([]byte) (int, error)                { return 0, errPlatform }
func (*osProcess) hangUp()                                 {}
func (*osProcess) kill()                                   {}
func (*osProcess) suspend()                                {}
func (*osProcess) resume()                                 {}
func (*osProcess) hold()                                   {}
func (*osProcess) cpuTime() (time.Duration, error)         { return 0, errPlatform }
func (*osProcess) memory() (int64, error)                  { return 0, errPlatform }
func (*osProcess) queued() (time.Duration, error)          { return 0, errPlatform }
func (*osProcess) reap() exit                              { return exit{} }
func (*osProcess) close()                                  {}

type osConnection struct{}

func (*osConnection) read([]byte) (int, error)                  { return 0, errPlatform }
func (*osConnection) write([]byte) error                        { return errPlatform }
func (*osConnection) takeFile([]byte) (*os.File, []byte, error) { return nil, nil, errPlatform }
