package jail

import "strings"

// The sample's person and computer. Both occur in paths and names, and are no indicators.
const (
	user     = "user"
	home     = "/home/" + user
	computer = "workstation"
	userID   = "1000"
)

// folders are those that a sample can write to, each a file system of its own in memory.
var folders = []string{"/etc", "/home", "/tmp", "/var", "/root", "/run", "/opt", "/srv", "/mnt", "/dev/shm"}

// decoy is a file that is there before the sample starts: what a real computer has and malware looks for. All of it
// is made up.
type decoy struct {
	path, content string
	mode          uint32
}

// decoys lists them. The folders that they lie in are made with them.
func decoys() []decoy {
	list := []decoy{
		{"/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n" +
			"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" +
			user + ":x:" + userID + ":" + userID + ":User:" + home + ":/bin/bash\n", 0o644},
		{"/etc/group", "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n" + user + ":x:" + userID + ":\n", 0o644},
		{"/etc/shadow", "root:*:19700:0:99999:7:::\n" + user + ":!:19700:0:99999:7:::\n", 0o640},
		{"/etc/sudoers", "root ALL=(ALL:ALL) ALL\n", 0o640},
		{"/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 " + computer + "\n::1 localhost\n", 0o644},
		{"/etc/hostname", computer + "\n", 0o644},
		{"/etc/machine-id", "5d1c3a7f0b9e4c2fa6d8e1b27c904f36\n", 0o444},
		// A name server that can be sent to, so that names are asked for and seen, and that never answers.
		{"/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", 0o644},
		{"/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n", 0o644},
		{"/etc/host.conf", "multi on\n", 0o644},
		{"/etc/services", "ssh 22/tcp\nhttp 80/tcp\nhttps 443/tcp\ndomain 53/udp\n", 0o644},
		{"/etc/protocols", "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\n", 0o644},
		{"/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n", 0o644},
		{"/etc/debian_version", "12.5\n", 0o644},
		{"/etc/shells", "/bin/sh\n/bin/bash\n", 0o644},
		{"/etc/profile", "PATH=/usr/local/bin:/usr/bin:/bin\nexport PATH\n", 0o644},
		{"/etc/bash.bashrc", "# System-wide .bashrc\n", 0o644},
		{"/etc/environment", "", 0o644},
		{"/etc/crontab", "SHELL=/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n17 * * * * root cd / && run-parts --report /etc/cron.hourly\n", 0o644},
		{"/etc/cron.d/e2scrub_all", "30 3 * * 0 root test -e /run/systemd/system || true\n", 0o644},
		{"/etc/rc.local", "#!/bin/sh -e\nexit 0\n", 0o755},
		{"/etc/inittab", "id:2:initdefault:\n", 0o644},
		{"/etc/ssh/sshd_config", "PermitRootLogin no\n", 0o644},
		{"/etc/pam.d/common-auth", "auth required pam_unix.so\n", 0o644},
		{"/etc/sudoers.d/README", "# Files here are read by sudo.\n", 0o440},
		{home + "/.bashrc", "# ~/.bashrc\nalias ll='ls -l'\n", 0o644},
		{home + "/.profile", "# ~/.profile\n", 0o644},
		{home + "/.bash_history", "ls\ncd Documents\nssh backup\n", 0o600},
		{home + "/.ssh/authorized_keys", "", 0o600},
		{home + "/.ssh/known_hosts", "", 0o644},
		{home + "/.ssh/config", "Host backup\n  HostName backup.example.net\n", 0o600},
		{home + "/.ssh/" + "id_ed25519", "This is a decoy, not a key.\n", 0o600},
		{home + "/.netrc", "# a decoy\n", 0o600},
		{home + "/.aws/" + "credentials", "[default]\n# a decoy\n", 0o600},
		{home + "/.gitconfig", "[user]\n\tname = User\n", 0o644},
		{"/var/log/wtmp", "", 0o664},
		{"/var/log/auth.log", "Nov  1 08:00:00 " + computer + " login: session opened\n", 0o640},
	}
	for _, name := range documents {
		list = append(list, decoy{name, strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 60), 0o644})
	}
	return list
}

// documents are decoys that only a program that destroys files has a reason to change.
var documents = []string{
	home + "/Documents/budget.csv", home + "/Documents/contract.txt", home + "/Documents/diary.txt",
	home + "/Documents/letter.rtf", home + "/Documents/minutes.txt", home + "/Documents/report.html",
	home + "/Documents/taxes.csv", home + "/Documents/thesis.tex",
	home + "/Desktop/notes.txt", home + "/Desktop/todo.txt",
	home + "/Pictures/list.txt", home + "/Pictures/index.html",
}

// emptyFolders are made besides those that decoys lie in.
var emptyFolders = []string{
	"/etc/systemd/system/multi-user.target.wants", "/etc/systemd/user", "/etc/init.d", "/etc/rc2.d", "/etc/profile.d",
	"/etc/cron.daily", "/etc/cron.hourly", "/etc/cron.weekly", "/etc/xdg/autostart", "/etc/ld.so.conf.d",
	"/etc/udev/rules.d", "/etc/update-motd.d", "/etc/alternatives", "/etc/modules-load.d",
	home + "/.config/systemd/user", home + "/.config/autostart", home + "/.local/bin", home + "/.cache", home + "/Downloads",
	"/var/tmp", "/var/spool/cron/crontabs", "/var/spool/at", "/var/lib", "/var/cache", "/var/www/html", "/run/lock", "/run/user/" + userID,
}
