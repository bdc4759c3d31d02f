package jail

import (
	"path"
	"slices"
	"strings"
)

// place is the behaviour of whoever writes something to be started again later. The list follows MITRE ATT&CK's
// techniques of persistence on Linux: T1053 (scheduled tasks), T1037 and T1543 (start-up), T1546.004 (shells), T1098.004
// (keys), T1574.006 (the linker), T1556.003 (PAM), T1547.006 (modules).
type place string

const (
	cron     place = "writes-cron"
	unit     place = "writes-systemd-unit"
	boot     place = "writes-startup"
	shell    place = "writes-shell-startup"
	desktop  place = "writes-autostart"
	keys     place = "writes-ssh-keys"
	preload  place = "writes-linker-settings"
	accounts place = "changes-accounts"
)

// startPlaces are whole folders (with a slash at the end) and files.
var startPlaces = []struct {
	at string
	place
}{
	{"/etc/cron.d/", cron}, {"/etc/crontab", cron}, {"/etc/cron.hourly/", cron}, {"/etc/cron.daily/", cron},
	{"/etc/cron.weekly/", cron}, {"/etc/cron.monthly/", cron}, {"/var/spool/cron/", cron}, {"/etc/anacrontab", cron},
	{"/var/spool/at/", cron},
	{"/etc/systemd/", unit}, {"/run/systemd/", unit}, {home + "/.config/systemd/", unit}, {"/root/.config/systemd/", unit},
	{home + "/.local/share/systemd/", unit},
	{"/etc/init.d/", boot}, {"/etc/rc.local", boot}, {"/etc/rc.d/", boot}, {"/etc/rc0.d/", boot}, {"/etc/rc1.d/", boot},
	{"/etc/rc2.d/", boot}, {"/etc/rc3.d/", boot}, {"/etc/rc4.d/", boot}, {"/etc/rc5.d/", boot}, {"/etc/rc6.d/", boot},
	{"/etc/inittab", boot}, {"/etc/init/", boot}, {"/etc/update-motd.d/", boot}, {"/etc/udev/rules.d/", boot},
	{"/etc/modules-load.d/", boot}, {"/etc/modules", boot},
	{"/etc/profile", shell}, {"/etc/profile.d/", shell}, {"/etc/bash.bashrc", shell}, {"/etc/environment", shell},
	{home + "/.bashrc", shell}, {home + "/.profile", shell}, {home + "/.bash_profile", shell}, {home + "/.bash_login", shell},
	{home + "/.bash_logout", shell}, {home + "/.zshrc", shell}, {home + "/.xprofile", shell}, {home + "/.xinitrc", shell},
	{home + "/.pam_environment", shell}, {"/root/.bashrc", shell}, {"/root/.profile", shell}, {"/root/.bash_profile", shell},
	{home + "/.config/autostart/", desktop}, {"/etc/xdg/autostart/", desktop},
	{home + "/.ssh/authorized_keys", keys}, {"/root/.ssh/authorized_keys", keys}, {home + "/.ssh/rc", keys}, {"/etc/ssh/", keys},
	{"/etc/ld.so.preload", preload}, {"/etc/ld.so.conf", preload}, {"/etc/ld.so.conf.d/", preload},
	{"/etc/pam.d/", accounts}, {"/etc/passwd", accounts}, {"/etc/shadow", accounts}, {"/etc/group", accounts},
	{"/etc/sudoers", accounts}, {"/etc/sudoers.d/", accounts},
}

// startPlace returns what it means that a file is written there, "" if nothing.
func startPlace(name string) place {
	for _, p := range startPlaces {
		folder := strings.HasSuffix(p.at, "/")
		if folder && strings.HasPrefix(name, p.at) || !folder && name == p.at {
			return p.place
		}
	}
	return ""
}

// tells reports whether what is done to a path matters for the judgement.
func tells(name string) bool {
	return startPlace(name) != "" || startsWithAny(name, secrets) || reachesOut(name, true) || slices.Contains(documents, name)
}

// secrets are files and folders that only their owners have a reason to read.
var secrets = []string{
	"/etc/shadow", "/etc/gshadow", "/etc/sudoers", home + "/.ssh/id_", home + "/.aws/", home + "/.git-credentials",
	home + "/.gnupg/", home + "/.mozilla/", home + "/.config/google-chrome/", home + "/.config/chromium/", home + "/.kube/",
	home + "/.docker/config.json", home + "/.config/gcloud/", home + "/.azure/", home + "/.password-store/", "/root/.ssh/",
	"/root/.aws/", home + "/.electrum/", home + "/.bitcoin/", home + "/.ethereum/", home + "/.thunderbird/",
}

// privates are what harmless programs read at times, among them every web client that looks for a password.
var privates = []string{home + "/.netrc", home + "/.bash_history", home + "/.ssh/config", home + "/.ssh/known_hosts"}

func startsWithAny(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// reachesOut reports whether a path is a way to the computer that the jail runs on, or to its kernel, and no program
// of a user has a reason to open it. writes says that it was to be changed.
func reachesOut(name string, writes bool) bool {
	if startsWithAny(name, []string{
		"/dev/sd", "/dev/vd", "/dev/nvme", "/dev/xvd", "/dev/mem", "/dev/kmem", "/dev/port", "/dev/kvm", "/dev/loop", "/dev/dm-", "/dev/mapper/",
		"/dev/kmsg", "/proc/kcore", "/proc/kmem", "/proc/sysrq-trigger", "/proc/1/root", "/proc/1/cwd", "/proc/1/ns", "/proc/1/mem",
		"/run/docker.sock", "/var/run/docker.sock", "/run/containerd/", "/run/crio/",
	}) {
		return true
	}
	switch {
	case !writes:
		return false
	case strings.HasPrefix(name, "/proc/sys/"), strings.HasPrefix(name, "/sys/"), path.Base(name) == "release_agent":
		return true
	case strings.HasPrefix(name, "/proc/") && path.Base(name) == "mem" && !strings.HasPrefix(name, "/proc/self/"):
		return true
	}
	return false
}

// looksForJail reports whether a path is read to find out whether this is a virtual machine, a container, or traced.
func looksForJail(name string) bool {
	return startsWithAny(name, []string{
		"/sys/class/dmi/", "/sys/devices/virtual/dmi/", "/sys/hypervisor/", "/proc/xen", "/proc/scsi/scsi", "/proc/ide/",
		"/.dockerenv", "/run/.containerenv", "/proc/vz", "/proc/1/cgroup", "/proc/1/sched",
	})
}
