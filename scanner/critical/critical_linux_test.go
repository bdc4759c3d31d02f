package critical

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tyto/finding"
	"tyto/scanner/walk"
)

// marker stands at the end of each planted file; it makes it its own.
const marker = "planted: "

// helper is the variable that makes this test binary play a part; see TestMain.
const helper = "CRITICAL_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helper) {
	case "map":
		mapFiles(os.Args[1:])
	case "walk":
		printWalk()
	default:
		os.Exit(m.Run())
	}
}

// mapFiles maps each of the files named "HOW:PATH", removes those that are to be deleted, says "ready"
// and waits until its standard input ends.
func mapFiles(args []string) {
	for _, arg := range args {
		how, path, _ := strings.Cut(arg, ":")
		flags := map[string][2]int{
			"private":        {unix.PROT_READ, unix.MAP_PRIVATE},
			"deleted":        {unix.PROT_READ, unix.MAP_PRIVATE},
			"shared":         {unix.PROT_READ, unix.MAP_SHARED},
			"sharedandrun":   {unix.PROT_READ | unix.PROT_EXEC, unix.MAP_SHARED},
			"privatelyonrun": {unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
		}[how]
		file, err := os.Open(path)
		if err == nil {
			_, err = unix.Mmap(int(file.Fd()), 0, 4096, flags[0], flags[1])
		}
		if err == nil && how == "deleted" {
			err = os.Remove(path)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		file.Close()
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

// object is what the tests look at.
type object struct {
	Path, Via string
	Deleted   bool
	Content   string // what stands behind the marker
}

// result is what a walk yielded of what the test planted, and all skips.
type result struct {
	Objects []object
	Skips   []string
}

// walkAll walks the critical areas and keeps those objects whose path contains part.
func walkAll(t *testing.T, opts Options, part string) result {
	t.Helper()
	r, err := collectAll(t.Context(), opts, part)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func collectAll(ctx context.Context, opts Options, part string) (r result, err error) {
	err = New(opts).Walk(ctx, func(e *walk.Entry) error {
		if !strings.Contains(e.Object.Path, part) {
			return nil
		}
		content := "cannot be opened"
		if file, err := e.Open(); err == nil {
			data, _ := io.ReadAll(file)
			file.Close()
			content = string(data[max(0, len(data)-64):])
			_, content, _ = strings.Cut(content, marker)
		}
		r.Objects = append(r.Objects, object{e.Object.Path, e.Object.Via, e.Object.Deleted, content})
		return nil
	}, func(s finding.Skip) {
		r.Skips = append(r.Skips, fmt.Sprintf("%s %s", s.Reason, s.Path))
	})
	slices.SortFunc(r.Objects, func(a, b object) int { return strings.Compare(a.Path+a.Via, b.Path+b.Via) })
	slices.Sort(r.Skips)
	return r, err
}

// plant copies a program to path; it is unlike all others by what it is said to contain.
func plant(t *testing.T, path, content string) {
	t.Helper()
	program, err := os.ReadFile("/bin/sleep")
	must(t, err)
	must(t, os.WriteFile(path, slices.Concat(program, []byte(marker+content)), 0o755))
}

// start runs a command until the test ends and returns its process id. If the command says "ready", it
// waits for that.
func start(t *testing.T, cmd *exec.Cmd, ready bool) int {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	if ready {
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if line != "ready\n" {
			t.Fatalf("the helper says %q, %v", line, err)
		}
	}
	return cmd.Process.Pid
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestProgramThatDeletedItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evil")
	plant(t, path, "wicked")
	pid := start(t, exec.Command(path, "600"), false)
	must(t, os.Remove(path))
	want := []object{{path, fmt.Sprintf("/proc/%d/exe", pid), true, "wicked"}}
	if diff := cmp.Diff(want, walkAll(t, Options{}, path).Objects); diff != "" {
		t.Error(diff)
	}
	// A harmless file that takes the name does not hide it.
	must(t, os.WriteFile(path, []byte(marker+"harmless"), 0o755))
	if diff := cmp.Diff(want, walkAll(t, Options{}, path).Objects); diff != "" {
		t.Error(diff)
	}
}

func TestProgramInMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	plant(t, path, "wicked")
	program, err := os.ReadFile(path)
	must(t, err)
	fd, err := unix.MemfdCreate("evil", unix.MFD_CLOEXEC)
	must(t, err)
	memory := os.NewFile(uintptr(fd), "evil")
	defer memory.Close()
	_, err = memory.Write(program)
	must(t, err)
	pid := start(t, exec.Command(fmt.Sprintf("/proc/self/fd/%d", fd), "600"), false)
	want := []object{{"/memfd:evil", fmt.Sprintf("/proc/%d/exe", pid), true, "wicked"}}
	if diff := cmp.Diff(want, walkAll(t, Options{}, "/memfd:evil").Objects); diff != "" {
		t.Error(diff)
	}
}

func TestMappedFiles(t *testing.T) {
	dir := t.TempDir()
	var args []string
	for _, how := range []string{"private", "deleted", "shared", "sharedandrun", "privatelyonrun"} {
		path := filepath.Join(dir, how+".so")
		plant(t, path, how)
		args = append(args, how+":"+path)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), helper+"=map")
	start(t, cmd, true)

	got := walkAll(t, Options{}, dir).Objects
	for i := range got {
		if via := got[i].Via; strings.HasPrefix(via, fmt.Sprintf("/proc/%d/map_files/", cmd.Process.Pid)) {
			got[i].Via = "map_files"
		}
	}
	want := []object{
		{dir + "/deleted.so", "map_files", true, "deleted"},
		{dir + "/private.so", "", false, "private"},
		{dir + "/privatelyonrun.so", "", false, "privatelyonrun"},
		{dir + "/sharedandrun.so", "", false, "sharedandrun"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOtherMountNamespace(t *testing.T) {
	dir := t.TempDir()
	hidden := filepath.Join(dir, "hidden")
	if out, err := exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "none", dir).CombinedOutput(); err != nil {
		unable(t, "mount in a namespace of its own: %v: %s", err, out)
	}
	plant(t, filepath.Join(dir, "outside"), "wicked")
	plant(t, hidden, "harmless") // what the path leads to outside
	script := `cp "$1/outside" /tmp/.$$ && mount -t tmpfs none "$1" && mv /tmp/.$$ "$1/hidden" && echo ready && exec "$1/hidden" 600`
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", dir)
	pid := start(t, cmd, true)
	awaitProgram(t, pid, hidden)
	want := []object{{hidden, fmt.Sprintf("/proc/%d/exe", pid), false, "wicked"}}
	if diff := cmp.Diff(want, walkAll(t, Options{}, hidden).Objects); diff != "" {
		t.Error(diff)
	}
}

// Where the kernel's own way is refused, only the very file that is mapped will do.
func TestByPath(t *testing.T) {
	library := filepath.Join(t.TempDir(), "lib.so")
	plant(t, library, "library")
	link := library + ".link"
	must(t, os.Symlink(library, link))
	var st unix.Stat_t
	must(t, unix.Stat(library, &st))
	dir, err := walk.Place(nil, "/proc/self")
	must(t, err)
	defer dir.Close()
	tests := []struct {
		name string
		m    mapping
		want error
	}{
		{"the file", mapping{path: library, inode: st.Ino}, nil},
		{"another file", mapping{path: library, inode: st.Ino + 1}, walk.ErrChanged},
		{"a link to the file", mapping{path: link, inode: st.Ino}, walk.ErrChanged},
		{"nothing", mapping{path: library + deletedMark, inode: st.Ino}, os.ErrNotExist},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			place, err := (&process{dir: dir}).byPath(&test.m)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if err == nil {
				place.Close()
			}
		})
	}
}

// awaitProgram waits until a process runs a program.
func awaitProgram(t *testing.T, pid int, path string) {
	t.Helper()
	for {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || exe == path {
			return
		}
	}
}

// unable ends a test that this machine is unable to run, unless it is one that has to be.
func unable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func TestEachFileOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	plant(t, path, "one")
	gone := filepath.Join(dir, "removed")
	plant(t, gone, "two")
	for range 3 {
		start(t, exec.Command(path, "600"), false)
		start(t, exec.Command(gone, "600"), false)
	}
	must(t, os.Remove(gone))
	got := walkAll(t, Options{}, dir).Objects
	for i := range got {
		got[i].Via = ""
	}
	want := []object{{path, "", false, "one"}, {gone, "", true, "two"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStrangeNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"new\nline", `back\012slash`, "not utf-8 \xff", "is there (deleted)"} {
		path := filepath.Join(dir, name)
		plant(t, path, name)
		start(t, exec.Command(path, "600"), false)
	}
	for _, o := range walkAll(t, Options{}, dir).Objects {
		want := object{filepath.Join(dir, o.Content), "", false, o.Content}
		if diff := cmp.Diff(want, o); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOwnAndExcludedFiles(t *testing.T) {
	dir := t.TempDir()
	var own []walk.FileID
	for _, name := range []string{"own", "own-removed", "removed.iso", "there.iso"} {
		path := filepath.Join(dir, name)
		plant(t, path, name)
		start(t, exec.Command(path, "600"), false)
		if strings.HasPrefix(name, "own") {
			id, err := walk.Identify(path)
			must(t, err)
			own = append(own, id)
		}
		if strings.Contains(name, "removed") {
			must(t, os.Remove(path))
		}
	}
	r := walkAll(t, Options{Own: own, Exclude: []string{"*.iso"}}, dir)
	if len(r.Objects) > 0 {
		t.Errorf("visited: %v", r.Objects)
	}
	r.Skips = slices.DeleteFunc(r.Skips, func(s string) bool { return !strings.Contains(s, dir) })
	want := []string{"excluded " + dir + "/removed.iso", "excluded " + dir + "/there.iso", "own-file " + dir + "/own", "own-file " + dir + "/own-removed"}
	if diff := cmp.Diff(want, r.Skips); diff != "" {
		t.Error(diff)
	}
}

// Processes come and go; that one has ended is no gap. The areas that are missing are.
func TestProcessesThatEndLeaveNoSkip(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	churned := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			exec.Command("/bin/true").Run()
		}
		churned <- n
	}()
	var skips []string
	for range 20 {
		r := walkAll(t, Options{}, "/no such path")
		skips = append(skips, r.Skips...)
	}
	cancel()
	if n := <-churned; n == 0 {
		t.Error("no process came and went")
	}
	slices.Sort(skips)
	skips = slices.DeleteFunc(slices.Compact(skips), foreseen)
	want := []string{"not-built boot sectors", "not-built kernel memory", "not-built process memory"}
	if diff := cmp.Diff(want, skips); diff != "" {
		t.Error(diff)
	}
}

// foreseen reports skips that are this machine's: a container's first process has more rights than
// those in it, and none has the kernel's files.
func foreseen(skip string) bool {
	return skip == "unreadable /proc/1" || skip == "unreadable /proc/modules"
}

func TestVisitorsErrorAndContextEndTheWalk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evil")
	plant(t, path, "wicked")
	start(t, exec.Command(path, "600"), false)
	must(t, os.Remove(path))
	enough := errors.New("enough")
	err := New(Options{}).Walk(t.Context(), func(*walk.Entry) error { return enough }, func(finding.Skip) {})
	if err != enough {
		t.Errorf("error %v, want %v", err, enough)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = collectAll(ctx, Options{}, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// One process ends between the listing of its mappings and the look at one of them; another has the same
// file mapped.
func TestMappingThatIsGoneIsFoundInTheNextProcess(t *testing.T) {
	proc := t.TempDir()
	library := filepath.Join(t.TempDir(), "lib.so")
	plant(t, library, "library")
	for _, pid := range []string{"100", "200"} {
		dir := filepath.Join(proc, pid)
		must(t, os.MkdirAll(filepath.Join(dir, "map_files"), 0o755))
		must(t, os.MkdirAll(filepath.Join(dir, "ns"), 0o755))
		must(t, os.Symlink("mnt:[1]", filepath.Join(dir, "ns/mnt")))
		must(t, os.Symlink("/bin/sleep", filepath.Join(dir, "exe")))
		must(t, os.WriteFile(filepath.Join(dir, "maps"), []byte("1000-2000 r-xp 00000000 fe:01 5 "+library+"\n"), 0o600))
	}
	must(t, os.Symlink(library, filepath.Join(proc, "200/map_files/1000-2000")))
	c, err := newCollection(&Options{}, nil, func(s finding.Skip) { t.Errorf("skip %v", s) })
	must(t, err)
	s := &Source{platform: platform{proc: proc}}
	for _, pid := range []string{"100", "200", "200"} {
		must(t, s.process(t.Context(), c, pid))
	}
	if diff := cmp.Diff([]string{"/bin/sleep", library}, c.paths); diff != "" {
		t.Error(diff)
	}
}

func TestGateIsAskedBeforeEachProcess(t *testing.T) {
	closed := errors.New("closed")
	asked := 0
	_, err := collectAll(t.Context(), Options{Gate: func(context.Context) error {
		if asked++; asked == 3 {
			return closed
		}
		return nil
	}}, "")
	if err != closed || asked != 3 {
		t.Errorf("asked %d times, error %v", asked, err)
	}
}

// Without rights, one's own processes are seen and the others are named.
func TestWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		unable(t, "only root can become another user")
	}
	dir, err := os.MkdirTemp("", "critical")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	self := filepath.Join(dir, "walker")
	data, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(self, data, 0o755))
	theirs := filepath.Join(dir, "theirs")
	plant(t, theirs, "root")
	root := start(t, exec.Command(theirs, "600"), false)
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	library, removed, program := filepath.Join(dir, "lib.so"), filepath.Join(dir, "gone.so"), filepath.Join(dir, "mapper")
	plant(t, library, "library")
	plant(t, removed, "removed")
	must(t, os.WriteFile(program, data, 0o755))
	mapper := exec.Command(program, "private:"+library, "private:"+removed)
	mapper.Env, mapper.SysProcAttr, mapper.Dir = append(os.Environ(), helper+"=map"), nobody, "/"
	start(t, mapper, true)
	must(t, os.Remove(removed))

	walker := exec.Command(self, dir)
	walker.Env, walker.SysProcAttr, walker.Dir = append(os.Environ(), helper+"=walk"), nobody, "/"
	out, err := walker.Output()
	must(t, err)
	var r result
	must(t, json.Unmarshal(out, &r))
	r.Objects = slices.DeleteFunc(r.Objects, func(o object) bool { return o.Path == self || o.Path == program })
	want := []object{{library, "", false, "library"}}
	if diff := cmp.Diff(want, r.Objects); diff != "" {
		t.Error(diff)
	}
	for _, skip := range []string{fmt.Sprintf("unreadable /proc/%d", root), "unreadable " + removed + deletedMark} {
		if !slices.Contains(r.Skips, skip) {
			t.Errorf("no skip %q among %q", skip, r.Skips)
		}
	}
}

// BenchmarkThousandProcesses lists the files of a thousand processes and opens none.
func BenchmarkThousandProcesses(b *testing.B) {
	for range 1000 {
		cmd := exec.Command("/bin/sleep", "600")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
	for b.Loop() {
		err := New(Options{}).Walk(b.Context(), func(*walk.Entry) error { return nil }, func(finding.Skip) {})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// printWalk prints what a walk yields below the path that is the argument.
func printWalk() {
	r, err := collectAll(context.Background(), Options{}, os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

func TestKernelModules(t *testing.T) {
	modules := t.TempDir()
	proc := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(modules, "kernel"), 0o755))
	for name, content := range map[string]string{
		"kernel/snd-pcm.ko.xz": "", "kernel/ext4.ko": "", "kernel/idle.ko": "",
		"modules.dep": "kernel/snd-pcm.ko.xz: kernel/ext4.ko\nkernel/ext4.ko:\nkernel/idle.ko:\nnonsense\n",
	} {
		must(t, os.WriteFile(filepath.Join(modules, name), []byte(content), 0o600))
	}
	list := "snd_pcm 151552 2 snd_hda, Live 0x0\next4 983040 1 - Live 0x0\nrootkit 16384 0 - Live 0x0 (OE)\n"
	must(t, os.WriteFile(filepath.Join(proc, "modules"), []byte(list), 0o600))
	tests := []struct {
		name    string
		proc    string
		modules string
		want    result
	}{
		{"installed and not", proc, modules, result{
			Objects: []object{{Path: modules + "/kernel/ext4.ko"}, {Path: modules + "/kernel/snd-pcm.ko.xz"}},
			Skips:   []string{"unreadable " + proc + "/modules"}, // the rootkit
		}},
		{"no files of the kernel", proc, proc, result{Skips: []string{"unreadable " + proc + "/modules"}}},
		{"kernel without modules", modules, modules, result{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got result
			c, err := newCollection(&Options{}, func(e *walk.Entry) error {
				got.Objects = append(got.Objects, object{Path: e.Object.Path})
				return nil
			}, func(s finding.Skip) { got.Skips = append(got.Skips, fmt.Sprintf("%s %s", s.Reason, s.Path)) })
			must(t, err)
			s := &Source{platform: platform{proc: test.proc, modules: test.modules}}
			must(t, s.kernel(t.Context(), c))
			must(t, c.flush(t.Context()))
			slices.SortFunc(got.Objects, func(a, b object) int { return strings.Compare(a.Path, b.Path) })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
