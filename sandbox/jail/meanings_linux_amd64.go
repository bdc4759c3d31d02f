package jail

import "tyto/sandbox/jail/trace"

// meaning is what a behaviour is called, how much it weighs, and what it says.
type meaning struct {
	id     string
	score  int
	detail string
}

// meanings are all behaviours that the jail tells of, the heaviest first. The scores are chosen so that what a harmless
// program may do alone stays below suspicious (40), that one thing which only an attacker has a reason for is
// suspicious, and that a dropper (a program written to a hidden place, started, and started again by cron, which
// calls out) is malicious (80). They are combined as finding.Score does. docs/sandbox-jail.md lists them.
var meanings = []meaning{
	{"destroys-documents", 85, "It overwrites, renames or deletes a person's documents."},
	{"writes-linker-settings", 80, "It has its code loaded into every program by the dynamic linker."},
	{"remote-shell", 80, "It starts a program with a network connection as its input."},
	{"writes-cron", 75, "It has itself or another program started by cron."},
	{"changes-accounts", 75, "It changes accounts, passwords or who may become root."},
	{"runs-from-memory", 75, "It runs a program that exists in memory only."},
	{"writes-ssh-keys", 70, "It changes who may log in by SSH."},
	{"writes-systemd-unit", 65, "It has a program started by systemd."},
	{"writes-startup", 65, "It changes what is started with the computer."},
	{"writes-autostart", 60, "It has a program started with the desktop."},
	{"reaches-for-host", 60, "It reaches for the computer that it runs on, or for its kernel."},
	{"removes-traces", 60, "It removes logs or the shell's history."},
	{"writes-shell-startup", 55, "It changes what every shell runs when it starts."},
	{"reaches-into-processes", 55, "It reaches into another process."},
	{"makes-setuid", 55, "It gives a file the right to run as its owner."},
	{"persists-dropped-program", 50, "What it has started again later is a program that it wrote itself."},
	{"persists-itself", 50, "It has itself started again later."},
	{"hides-program", 50, "It writes a program to a hidden place."},
	{"reads-secrets", 45, "It reads keys or passwords."},
	{"floods-processes", 45, "It has as many processes and threads as it may have."},
	{"kills-all", 45, "It sends a signal to all processes."},
	{"deletes-itself", 45, "It deletes its own file."},
	{"hides-calls", 40, "It makes system calls by another interface than its own, past whoever watches."},
	{"detects-tracing", 40, "It finds out whether somebody traces it."},
	{"runs-hidden-program", 40, "It starts a program that it wrote itself to a hidden place."},
	{"asks-for-start", 35, "It asks the system to start something later."},
	{"connects-out", 35, "It connects to other computers."},
	{"raw-socket", 35, "It wants to send or see raw packets."},
	{"exhausts-memory", 30, "It uses more memory than it was given."},
	{"wants-root", 30, "It tries to become root."},
	{"forbidden-call", 30, "It asks the kernel for what only parts of the system do."},
	{"ends-programs", 25, "It ends other programs by name."},
	{"looks-for-sandbox", 25, "It finds out whether it runs in a virtual machine or a container."},
	{"kills-processes", 25, "It sends signals to processes that are not its own."},
	{"listens", 25, "It waits for connections."},
	{"downloads", 20, "It starts a program that fetches files."},
	{"writes-code", 20, "It has memory that it can write to and run."},
	{"runs-dropped-program", 20, "It starts a program that it wrote itself."},
	{"drops-program", 15, "It writes a program."},
	{"reads-private-files", 15, "It reads histories and settings of a person."},
	{"asks-for-name", 15, "It asks for the address of another computer."},
	{"makes-code", 10, "It has memory that it can run and that comes from no file."},
	{"file-in-memory", 10, "It makes a file that exists in memory only."},
	{"waits-long", 10, "It waits for a minute or longer before it goes on."},
}

// ofDeed are the behaviours that follow from one kind of deed.
var ofDeed = map[trace.Kind]string{
	trace.ForeignCalls:     "hides-calls",
	trace.WriteExecute:     "writes-code",
	trace.AnonymousExecute: "makes-code",
	trace.MemoryFile:       "file-in-memory",
	trace.MemoryProgram:    "runs-from-memory",
	trace.TraceMe:          "detects-tracing",
	trace.TraceOther:       "reaches-into-processes",
	trace.KillOther:        "kills-processes",
	trace.KillAll:          "kills-all",
	trace.BecomeRoot:       "wants-root",
	trace.MakeSetuid:       "makes-setuid",
	trace.DeleteSelf:       "deletes-itself",
	trace.Listen:           "listens",
	trace.SocketShell:      "remote-shell",
	trace.RawSocket:        "raw-socket",
	trace.Sleep:            "waits-long",
}

// forbiddenCalls are weights of calls that the jail refuses; others get that of forbidden-call.
var forbiddenCalls = map[string]int{
	"ptrace": 55, "process_vm_writev": 60, "process_vm_readv": 50, "pidfd_getfd": 50,
	"init_module": 75, "finit_module": 75, "delete_module": 70, "kexec_load": 70, "kexec_file_load": 70, "bpf": 60,
	"ioctl TIOCSTI": 70, "ioctl TIOCLINUX": 60, "open_by_handle_at": 60, "setns": 55, "unshare": 40, "clone": 40,
	"mount": 40, "pivot_root": 45, "userfaultfd": 45, "reboot": 60, "mknod": 45, "iopl": 50, "ioperm": 50, "keyctl": 30,
	"add_key": 30, "request_key": 15, "socket": 20, "syslog": 10, "sethostname": 15, "memfd_create": 10, "memfd_secret": 10,
	"perf_event_open": 25, "modify_ldt": 20, "kcmp": 10, "chroot": 20, "vhangup": 15, "process_madvise": 0, "move_pages": 5, "migrate_pages": 5,
}
