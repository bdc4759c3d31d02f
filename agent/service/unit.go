package service

import (
	"fmt"
	"strings"
)

// setting is a line of a unit, with the reason that stands above it.
type setting struct {
	line string
	why  string
}

// Unit returns the text of tyto.service for a program. What looks like a usual hardening option and is not
// there would break the agent:
//
//   - ProtectSystem, ProtectHome, PrivateTmp, PrivateDevices, ProtectProc, ProtectKernelTunables (hides
//     /proc/kcore), ProtectKernelModules (hides /usr/lib/modules), ReadOnlyPaths: a scanner must see what is there,
//     and the quarantine deletes where something was found. All of them also make a mount namespace, in which the
//     agent would see other mounts than the computer has.
//   - ProtectClock, DevicePolicy: they close block devices, whose boot sectors are scanned.
//   - PrivateUsers, RestrictSUIDSGID: a restored file gets its owner and mode back, setuid too.
//   - ProtectKernelLogs, CAP_SYSLOG: /proc/kallsyms has no addresses without.
//   - PrivateNetwork, ProcSubset, ProtectHostname: ports, processes and the host's name are looked at.
//   - CAP_LEASE among the capabilities that are taken: the quarantine keeps writers away from other people's files by it.
//   - SystemCallFilter=@system-service: workers bring a filter of their own that is far narrower, and need
//     seccomp, Landlock, chroot and setuid to confine themselves before they install it.
func Unit(program string) string {
	var b strings.Builder
	b.WriteString("# Made by \"tyto agent install\". For changes: systemctl edit tyto\n")
	for _, section := range []struct {
		name     string
		settings []setting
	}{
		{"Unit", []setting{
			{"Description=" + Title + ": " + strings.TrimSuffix(About, "."), ""},
			{"After=local-fs.target dbus.service systemd-logind.service", "presence is asked of logind; without it the agent counts the computer as in use"},
			{"StartLimitIntervalSec=300", "an agent that cannot start is not tried for ever"},
			{"StartLimitBurst=5", ""},
		}},
		{"Service", unitService(program)},
		{"Install", []setting{{"WantedBy=multi-user.target", ""}}},
	} {
		fmt.Fprintf(&b, "\n[%s]\n", section.name)
		for _, s := range section.settings {
			if s.why != "" {
				fmt.Fprintf(&b, "# %s\n", s.why)
			}
			b.WriteString(s.line + "\n")
		}
	}
	return b.String()
}

func unitService(program string) []setting {
	return []setting{
		{"Type=notify", "ready once state is open and the socket listens"},
		{"NotifyAccess=main", ""},
		{"ExecStart=" + quoteUnit(program) + " agent run", ""},
		{"ExecReload=/bin/kill -HUP $MAINPID", "reads the policy again"},
		{"Restart=on-failure", ""},
		{"RestartSec=5", ""},
		{"WatchdogSec=120", "an agent that hangs is restarted; runs go on from their checkpoint"},
		{"KillMode=mixed", "the agent ends its workers itself; whatever is left is killed with it"},
		{"TimeoutStopSec=30", ""},

		{"StateDirectory=tyto", "folders that only root can look into: exclusions help an attacker"},
		{"StateDirectoryMode=0700", ""},
		{"ConfigurationDirectory=tyto", ""},
		{"ConfigurationDirectoryMode=0700", ""},
		{"RuntimeDirectory=tyto", "the socket itself says who may use it"},
		{"RuntimeDirectoryMode=0755", ""},
		{"UMask=0077", ""},

		{"IOSchedulingClass=idle", "out of the way of people. There is no Nice and no CPUWeight: who opens a file may wait for the agent, and it must see people come back at once; workers lower themselves"},
		{"IOWeight=10", ""},
		{"MemoryHigh=40%", "page cache counts too: the kernel gives back what scans have read before anybody misses it"},
		{"OOMPolicy=continue", "a worker that dies of an object costs that object only"},
		{"LimitCORE=0", "memory holds what was read from other people's files"},

		{"NoNewPrivileges=yes", "nothing that the agent starts gets more rights than it has; so a response command cannot use sudo"},
		{"CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_BOOT CAP_SYS_TIME CAP_WAKE_ALARM CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_AUDIT_CONTROL CAP_AUDIT_WRITE CAP_SYS_PACCT CAP_SYS_TTY_CONFIG CAP_BPF", "what a scanner has no use for; reading, restoring, other people's processes and workers' confinement need the rest"},
		{"RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6", "the control socket, D-Bus, X11 and the journal; process events; the sandbox servers that the policy names, if it does"},
		{"RestrictNamespaces=yes", "the agent runs no sandbox: tyto sandbox serve is a program of its own"},
		{"RestrictRealtime=yes", ""},
		{"LockPersonality=yes", ""},
		{"MemoryDenyWriteExecute=yes", "neither Go nor libyara makes code while it runs"},
		{"SystemCallArchitectures=native", ""},
		{"SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap", "a list of what nobody needs; @mount holds chroot, with which workers leave the file system"},
		{"SystemCallErrorNumber=EPERM", ""},
		{"KeyringMode=private", ""},
	}
}

// quoteUnit writes a path so that systemd takes it for one word; see systemd.service(5), COMMAND LINES.
func quoteUnit(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(path) + `"`
}
