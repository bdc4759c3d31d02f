package jail

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tyto/sandbox"
)

// trying is the beginning of the hostile samples: TRY writes LEFT and the name of what should have failed and did
// not, FREE of what may succeed. What has been tried at all is written last.
const trying = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <unistd.h>
#include <dirent.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/shm.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#define TRY(name, expr) do { errno = 0; long r_ = (long)(expr); printf("%s %s %d\n", r_ < 0 ? "held" : "LEFT", name, errno); fflush(stdout); } while (0)
static int rd(const char *p) { char b[64]; int f = open(p, O_RDONLY); if (f < 0) return -1; int n = read(f, b, sizeof b); close(f); return n; }
static int wr(const char *p, const char *s) { int f = open(p, O_WRONLY); if (f < 0) return -1; int n = write(f, s, strlen(s)); close(f); return n; }
static int tcp(const char *a, int port) { struct sockaddr_in s = {AF_INET, htons(port)}; inet_pton(AF_INET, a, &s.sin_addr); int f = socket(AF_INET, SOCK_STREAM, 0); return connect(f, (void*)&s, sizeof s); }
static int un(const char *p, int abstract) { struct sockaddr_un s = {AF_UNIX}; strncpy(s.sun_path + abstract, p, 100); int f = socket(AF_UNIX, SOCK_STREAM, 0); return connect(f, (void*)&s, offsetof(struct sockaddr_un, sun_path) + abstract + strlen(p)); }
`

// host is what a sample could harm outside.
type host struct {
	marker    string // a file that anybody could read and write
	process   *exec.Cmd
	listeners []net.Listener
	port      int
	abstract  string
	socket    string
	leaked    *os.File
}

const untouched = "nobody was here\n"

// newHost prepares it, and checks in the end that nothing has changed.
func newHost(t *testing.T) *host {
	t.Helper()
	// Not t.TempDir, whose parents only root may enter: the sample would fail for the wrong reason.
	dir, err := os.MkdirTemp("/tmp", "tyto-jail-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{marker: filepath.Join(dir, "marker"), socket: filepath.Join(dir, "socket"), abstract: fmt.Sprintf("tyto-jail-%d", rand.Uint64())}
	if err := errors.Join(os.Chmod(dir, 0o777), os.WriteFile(h.marker, []byte(untouched), 0o600), os.Chmod(h.marker, 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, l := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", h.socket}, {"unix", "@" + h.abstract}} {
		listener, err := net.Listen(l[0], l[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		if l[0] == "tcp" {
			h.port = listener.Addr().(*net.TCPAddr).Port
		} else if !strings.HasPrefix(l[1], "@") {
			if err := os.Chmod(h.socket, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		h.listeners = append(h.listeners, listener)
	}
	h.process = exec.Command("sleep", "600")
	if os.Geteuid() == 0 {
		h.process.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := h.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.process.Process.Kill(); h.process.Wait() })
	// A descriptor that somebody forgot to close, and that exec keeps.
	f, err := os.OpenFile(h.marker, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	h.leaked = os.NewFile(uintptr(fd), h.marker)
	f.Close()
	t.Cleanup(func() { h.leaked.Close() })
	return h
}

// source fills in what the samples aim at.
func (h *host) source(body string) string {
	return trying + strings.NewReplacer("@MARKER@", h.marker, "@PORT@", strconv.Itoa(h.port), "@ABSTRACT@", h.abstract, "@SOCKET@", h.socket,
		"@PID@", strconv.Itoa(h.process.Process.Pid)).Replace(body)
}

// unharmed checks that nothing has changed.
func (h *host) unharmed(t *testing.T) {
	t.Helper()
	if b, err := os.ReadFile(h.marker); err != nil || string(b) != untouched {
		t.Errorf("the marker holds %q, %v", b, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(h.marker)); err != nil || len(entries) != 2 {
		t.Errorf("the marker's folder holds %v, %v", entries, err)
	}
	if state := statFields(h.process.Process.Pid); len(state) == 0 || state[0] != "S" {
		t.Errorf("the process outside is in state %v", state)
	}
	for _, l := range h.listeners {
		type deadliner interface{ SetDeadline(time.Time) error }
		l.(deadliner).SetDeadline(time.Now().Add(time.Millisecond))
		if c, err := l.Accept(); err == nil {
			c.Close()
			t.Errorf("somebody connected to %v", l.Addr())
		}
	}
}

// detonate runs a sample and checks that the run ends and leaves nothing.
func detonate(t *testing.T, e *Engine, name string, content []byte) (answer, *sandbox.Seen) {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, rand.Uint32())
	s := sample(t, name, content)
	f, err := os.Open(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := e.order(name, s.SHA256, byKernel)
	a, err := e.run(t.Context(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, name)
	return a, judge(o, a)
}

// nothingLeft checks that no process and no cgroup of a run is there any more.
func nothingLeft(t *testing.T, name string) {
	t.Helper()
	if left := processesNamed(name); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	for _, pattern := range []string{cgroupRoot, cgroupRoot + "/memory", cgroupRoot + "/pids"} {
		if dirs, _ := filepath.Glob(fmt.Sprintf("%s/%s%d-*", pattern, groupPrefix, os.Getpid())); len(dirs) > 0 {
			t.Errorf("cgroups are left: %v", dirs)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), "newroot") {
		t.Errorf("mounts are left: %v\n%s", err, mounts)
	}
}

// processesNamed returns the processes, zombies too, whose command line or program bears a sample's name.
func processesNamed(name string) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline")
		exe, _ := os.Readlink(dir + "/exe")
		comm, _ := os.ReadFile(dir + "/comm")
		if strings.Contains(string(line), name) || strings.Contains(exe, name) || strings.HasPrefix(name, strings.TrimSpace(string(comm))) && len(comm) > 8 {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, pid)
		}
	}
	return pids
}

func ids(seen *sandbox.Seen) (list []string) {
	for _, b := range seen.Behaviours {
		list = append(list, b.ID)
	}
	return list
}

// Each of these samples tries to leave the jail. What it tries must fail or stay inside, nothing outside may change,
// and the report must tell of it.
func TestHostileSamples(t *testing.T) {
	e := newEngine(t, Options{Time: 3 * time.Second})
	for _, test := range []struct {
		name string
		body string
		want []string // behaviours
	}{
		{"network", `
			TRY("tcp to the host", tcp("127.0.0.1", @PORT@));
			TRY("tcp out", tcp("203.0.113.66", 4444));
			TRY("abstract socket", un("@ABSTRACT@", 1));
			TRY("socket", un("@SOCKET@", 0));
			TRY("docker", un("/var/run/docker.sock", 0));
			TRY("raw", socket(AF_INET, SOCK_RAW, 1));
			TRY("packet", socket(AF_PACKET, SOCK_RAW, 0));
			TRY("vsock", socket(40, SOCK_STREAM, 0));
			TRY("netfilter", socket(AF_NETLINK, SOCK_RAW, 12));`,
			[]string{"connects-out", "reaches-for-host", "raw-socket", "forbidden-call"}},
		{"host files", `
			TRY("marker", rd("@MARKER@")); TRY("write marker", wr("@MARKER@", "x"));
			TRY("through init", rd("/proc/1/root@MARKER@")); TRY("through self", rd("/proc/self/root@MARKER@"));
			TRY("through dots", rd("../../../../../../../..@MARKER@"));
			TRY("sysctl", wr("/proc/sys/kernel/hostname", "x")); TRY("core", wr("/proc/sys/kernel/core_pattern", "|/x"));
			TRY("sysrq", wr("/proc/sysrq-trigger", "h")); TRY("sys", rd("/sys/kernel/uevent_helper")); TRY("cgroup", wr("/sys/fs/cgroup/release_agent", "x"));
			TRY("disk", open("/dev/sda", O_RDWR)); TRY("disk", open("/dev/vda", O_RDWR)); TRY("memory", open("/dev/mem", O_RDWR)); TRY("kernel memory", rd("/proc/kcore"));
			TRY("make a disk", mknod("/tmp/disk", S_IFBLK|0600, (254<<8)));
			TRY("programs", open("/usr/bin/x", O_WRONLY|O_CREAT, 0700)); TRY("program", open("/usr/bin/true", O_WRONLY));
			TRY("root", open("/x", O_WRONLY|O_CREAT, 0700)); TRY("devices", open("/dev/x", O_WRONLY|O_CREAT, 0700));
			TRY("null", chmod("/dev/null", 0)); TRY("init memory", open("/proc/1/mem", O_RDWR) < 0 ? -1 : pwrite(open("/proc/1/mem", O_RDWR), "x", 1, 4096));`,
			[]string{"reaches-for-host", "forbidden-call"}},
		{"privileges", `
			TRY("setuid", setuid(0)); TRY("setgid", setgid(0)); TRY("setresuid", setresuid(0, 0, 0));
			TRY("su", system("su -c id </dev/null >/dev/null 2>&1") ? -1 : 0);
			TRY("sudo", system("/usr/bin/mount -t tmpfs x /tmp >/dev/null 2>&1") ? -1 : 0);
			close(open("/tmp/suid", O_CREAT|O_WRONLY, 0755)); chmod("/tmp/suid", 04755);
			TRY("owner", chown("/tmp/suid", 0, 0)); TRY("chroot", chroot("/tmp"));`,
			[]string{"wants-root", "makes-setuid", "forbidden-call"}},
		{"kernel interfaces", `
			TRY("mount", mount("none", "/tmp", "tmpfs", 0, 0)); TRY("umount", umount2("/proc", MNT_DETACH)); TRY("remount", mount(0, "/usr", 0, MS_REMOUNT|MS_BIND, 0));
			TRY("fsopen", syscall(430, "tmpfs", 0)); TRY("open_tree", syscall(428, -100, "/", 1));
			TRY("user namespace", unshare(CLONE_NEWUSER)); TRY("mount namespace", unshare(CLONE_NEWNS));
			TRY("clone user", syscall(SYS_clone, CLONE_NEWUSER|SIGCHLD, 0, 0, 0, 0)); TRY("clone3", syscall(435, 0, 0));
			TRY("setns", setns(open("/proc/1/ns/mnt", O_RDONLY), 0));
			TRY("keyctl", syscall(SYS_keyctl, 0, -3, 1)); TRY("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -2));
			TRY("bpf", syscall(SYS_bpf, 0, 0, 0)); TRY("perf", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0)); TRY("uffd", syscall(SYS_userfaultfd, 0));
			TRY("io_uring", syscall(425, 1, 0)); TRY("kexec", syscall(SYS_kexec_load, 0, 0, 0, 0)); TRY("module", syscall(SYS_finit_module, 0, "", 0));
			TRY("handle", syscall(SYS_open_by_handle_at, -100, 0, 0)); TRY("reboot", syscall(SYS_reboot, 0, 0, 0, 0)); TRY("iopl", syscall(SYS_iopl, 3));
			TRY("tiocsti", ioctl(0, TIOCSTI, "x")); TRY("tiocsti high", syscall(SYS_ioctl, 0, 0xffffffff00000000UL | TIOCSTI, "x")); TRY("fanotify", syscall(SYS_fanotify_init, 0, 0));`,
			[]string{"forbidden-call"}},
		{"past the tracer", `
			struct sock_filter allow[] = {{BPF_RET|BPF_K, 0, 0, SECCOMP_RET_ALLOW}}; struct sock_fprog p = {1, allow};
			TRY("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p)); TRY("listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 8, &p));
			TRY("prctl filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
			TRY("untraced", syscall(SYS_clone, 0x00800000|SIGCHLD, 0, 0, 0, 0));
			long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20)); TRY("32 bits", r < 0 ? -1 : 0);
			TRY("x32", syscall(0x40000000|39));
			prctl(PR_SET_DUMPABLE, 0); TRY("hidden", tcp("198.51.100.7", 99));`,
			[]string{"connects-out", "forbidden-call", "hides-calls"}},
		{"other processes", `
			TRY("traceme", ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 && ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : -1);
			TRY("attach outside", ptrace(PTRACE_ATTACH, @PID@, 0, 0)); TRY("attach init", ptrace(PTRACE_SEIZE, 1, 0, 0));
			char b[8]; struct iovec l = {b, 8}, r = {(void*)4096, 8};
			TRY("write memory", process_vm_writev(getppid(), &l, 1, &r, 1, 0));
			TRY("kill outside", kill(@PID@, SIGKILL)); TRY("stop outside", kill(@PID@, SIGSTOP));
			if (fork() == 0) { kill(1, SIGKILL); kill(getppid(), 0); kill(-1, SIGKILL); _exit(0); }
			pause();`,
			[]string{"reaches-into-processes", "detects-tracing", "kills-all", "kills-processes"}},
		{"leaked descriptors", `
			DIR *d = opendir("/proc/self/fd"); struct dirent *x; 
			while ((x = readdir(d))) { int n = atoi(x->d_name); if (x->d_name[0] != '.' && n != dirfd(d) && n > 2) printf("LEFT descriptor %d\n", n); }
			TRY("output is no file", lseek(1, 0, SEEK_SET)); TRY("terminal", open("/dev/tty", O_RDWR));`,
			nil},
		{"shared memory", `
			int id = shmget(IPC_PRIVATE, 1<<20, IPC_CREAT|0600); FILE *f = popen("id -u", "r"); int u = -1; fscanf(f, "%d", &u);
			TRY("root inside", u == 0 ? 0 : -1);`,
			nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			program := compile(t, h.source("int main(void) {"+test.body+"\nputs(\"all tried\"); return 0; }"))
			a, seen := detonate(t, e, "hostile", program)
			h.unharmed(t)
			if bytes.Contains(a.Output, []byte("LEFT")) {
				t.Errorf("some attempts were not refused:\n%s", a.Output)
			}
			if !bytes.Contains(a.Output, []byte("all tried")) && test.name != "other processes" {
				t.Errorf("the sample did not come to its end: %s, it said\n%s", a.Record.Ended, a.Output)
			}
			for _, id := range test.want {
				if !slices.Contains(ids(seen), id) {
					t.Errorf("the report does not say %q:\n%s", id, describe(seen))
				}
			}
		})
	}
}

// These samples try to use the computer up, or to stay.
func TestGreedyAndStubbornSamples(t *testing.T) {
	e := newEngine(t, Options{Time: time.Second, Disk: 8 << 20, Memory: 128 << 20})
	for _, test := range []struct {
		name string
		body string
		want string // in the output, empty for nothing
	}{
		{"fork bomb", `for (;;) fork();`, ""},
		{"fork bomb of daemons", `for (;;) { if (fork() == 0) { setsid(); if (fork()) _exit(0); } }`, ""},
		{"thread bomb", `for (;;) { char *s = mmap(0, 65536, 3, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
			clone((int(*)(void*))pause, s + 65536, CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD, 0); }`, ""},
		{"memory", `long n = 0; for (;;) { char *p = malloc(1 << 20); if (!p) { printf("refused at %ld\n", n); return 0; } memset(p, 1, 1 << 20); n++; if (n == 1024) puts("LEFT: a GiB"); fflush(stdout); }`, ""},
		{"memory of many", `for (int i = 0; i < 8; i++) if (!fork()) { for (long n = 0; n < 100; n++) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); } puts("one"); fflush(stdout); pause(); } pause();`, ""},
		{"files in memory", `static char b[1 << 20]; long n = 0; for (int i = 0; i < 200; i++) { int f = memfd_create("x", 0); for (int k = 0; k < 8; k++) n += f < 0 ? 0 : write(f, b, sizeof b) > 0; if (n > 256) { puts("LEFT: 256 MiB"); fflush(stdout); } }`, ""},
		{"disk", `static char b[1 << 16]; char *d[] = {"/tmp/x", "/home/user/x", "/var/x", "/etc/x", "/dev/shm/x", "/run/x", "/opt/x", "/srv/x", "/mnt/x", "/root/x"};
			signal(SIGXFSZ, SIG_IGN); for (int i = 0; i < 10; i++) { long n = 0, k; int f = open(d[i], O_CREAT|O_WRONLY, 0600); while ((k = write(f, b, sizeof b)) > 0) n += k; if (n > 8 << 20) printf("LEFT %s %ld\n", d[i], n); } puts("full");`, "full"},
		{"many files", `char p[64]; for (long i = 0;; i++) { sprintf(p, "/tmp/%ld", i); if (close(open(p, O_CREAT|O_WRONLY, 0600))) return 0; }`, ""},
		{"deep folders", `for (int i = 0; i < 5000; i++) { mkdir("d", 0700); if (chdir("d")) break; } puts("deep");`, "deep"},
		{"unreadable files", `mkdir("/tmp/d", 0700); int f = open("/tmp/d/f", O_CREAT|O_WRONLY, 0); write(f, "\x7f""ELF", 4); mkfifo("/tmp/d/pipe", 0600); symlink("/etc/shadow", "/tmp/d/link"); chmod("/tmp/d", 0); puts("hidden");`, "hidden"},
		{"endless output", `for (;;) puts("LEF" "T is not said by this sample, x");`, ""},
		{"outlives", `for (int i = 1; i < 65; i++) signal(i, SIG_IGN); if (fork()) return 0; setsid(); if (fork()) return 0; prctl(PR_SET_PDEATHSIG, 0); for (;;);`, ""},
		{"stops itself", `raise(SIGSTOP); kill(getpid(), SIGTSTP); puts("went on");`, "went on"},
		{"waits", `sleep(1000); puts("woke");`, "woke"},
		{"traces its child", `if (!fork()) { ptrace(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP); puts("child"); fflush(stdout); _exit(0); } wait(0);`, "child"},
		{"vfork and exec from a thread", `if (!vfork()) { execl("/bin/echo", "echo", "echoed", (char*)0); _exit(1); } wait(0);`, "echoed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			program := compile(t, h.source("int main(void) {"+test.body+"\nreturn 0; }"))
			a, seen := detonate(t, e, "greedy", program)
			h.unharmed(t)
			if test.name != "endless output" && bytes.Contains(a.Output, []byte("LEFT")) {
				t.Errorf("the sample got more than its due: %s", a.Output)
			}
			if !strings.Contains(string(a.Output), test.want) {
				t.Errorf("the sample said %q, not %q; %s", a.Output, test.want, a.Record.Ended)
			}
			if !a.Record.TimedOut && a.Record.Ended == "" {
				t.Error("the run ended, neither by itself nor by the clock")
			}
			if test.name == "fork bomb" && !slices.Contains(ids(seen), "floods-processes") {
				t.Errorf("the flood was not seen:\n%s", describe(seen))
			}
			if len(a.Output) > maxOutput {
				t.Errorf("%d bytes of output were kept", len(a.Output))
			}
			t.Logf("%s, %.1f s, %d calls, exhausted: %v", a.Record.Ended, a.Record.Elapsed.Seconds(), a.Record.Calls, a.Exhausted)
		})
	}
}
