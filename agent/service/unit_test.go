package service

import (
	"strings"
	"testing"
)

// What the agent cannot do without is not taken from it.
func TestUnitLeavesCapabilities(t *testing.T) {
	var taken string
	for line := range strings.Lines(Unit("/usr/sbin/tyto")) {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet=~"); ok {
			taken = " " + strings.TrimSpace(list) + " "
		}
	}
	if taken == "" {
		t.Fatal("the unit takes no capabilities")
	}
	for capability, why := range map[string]string{
		"CAP_LEASE":           "the quarantine keeps writers away from a file while it is moved",
		"CAP_LINUX_IMMUTABLE": "the quarantine takes off the attribute that malware likes to set",
		"CAP_DAC_READ_SEARCH": "every file is read",
		"CAP_DAC_OVERRIDE":    "files are removed and restored anywhere",
		"CAP_CHOWN":           "a restored file gets its owner back",
		"CAP_FOWNER":          "a restored file gets its mode and times back",
		"CAP_SETFCAP":         "a restored file gets its capabilities back",
		"CAP_SYS_PTRACE":      "the files of other people's processes are examined",
		"CAP_SYS_CHROOT":      "workers leave the file system",
		"CAP_SETUID":          "workers become nobody",
		"CAP_SETGID":          "workers become nobody",
		"CAP_KILL":            "workers of another user are stopped",
	} {
		if strings.Contains(taken, " "+capability+" ") {
			t.Errorf("%s is taken: %s", capability, why)
		}
	}
}
