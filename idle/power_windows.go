package idle

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// onBattery asks GetSystemPowerStatus. A computer that does not know is taken as plugged in.
func onBattery() bool {
	var status struct { // SYSTEM_POWER_STATUS
		acLine, batteryFlag, batteryPercent, systemFlag byte
		lifeTime, fullLifeTime                          uint32
	}
	ok, _, _ := procGetSystemPowerStatus.Call(uintptr(unsafe.Pointer(&status)))
	return ok != 0 && status.acLine == 0
}

var procGetSystemPowerStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemPowerStatus")
