package report

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes makes the console interpret escape sequences (Windows 10 and later).
func enableEscapes(f *os.File) error {
	handle := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(handle, &mode); err != nil {
		return err
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
}
