package idle

import (
	"os"
	"path/filepath"
	"strings"
)

// maxSupplies is how many power supplies are looked at.
const maxSupplies = 64

// onBattery reads the kernel's power supplies.
func onBattery() bool { return dischargingAt("/sys/class/power_supply") }

// dischargingAt reports whether the computer runs from a battery: a battery of the computer itself
// discharges and no mains supply is connected. Batteries of mice and keyboards have the scope "Device".
// What cannot be read is as if it were not there.
//
// Format: the kernel's Documentation/ABI/testing/sysfs-class-power.
func dischargingAt(dir string) bool {
	supplies, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return false
	}
	discharging := false
	for _, supply := range supplies[:min(len(supplies), maxSupplies)] {
		read := func(name string) string {
			b, _ := os.ReadFile(filepath.Join(supply, name)) // the kernel's: at most a page
			return strings.TrimSpace(string(b))
		}
		switch read("type") {
		case "Mains", "USB", "Wireless":
			if read("online") == "1" && read("scope") != "Device" {
				return false
			}
		case "Battery", "UPS":
			if read("scope") != "Device" && read("status") == "Discharging" {
				discharging = true
			}
		}
	}
	return discharging
}
