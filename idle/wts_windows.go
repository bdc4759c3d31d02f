package idle

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	// maxSessions is how many sessions are looked at; more is an error.
	maxSessions = 4096
	// maxProcesses is how many processes are looked at for screensavers; more is an error.
	maxProcesses = 65536
)

// wtsSession is a session as the session manager describes it.
type wtsSession struct {
	id        uint32
	user      string
	connected bool // somebody sees it; else it is disconnected, and there is nobody before it
	lock      lockState
	lastInput time.Time // zero if not known
}

type lockState int

const (
	lockUnknown lockState = iota
	locked
	unlocked
)

// Values of WTS_INFO_CLASS.
const (
	wtsUserName      = 5
	wtsSessionInfoEx = 25
)

// Values of WTSINFOEX_LEVEL1.SessionFlags.
const (
	flagLock    = 0
	flagUnlock  = 1
	flagUnknown = 0xFFFFFFFF
)

// lockOf reads the session's flags. Windows 7 and Server 2008 R2 (6.1) give them the wrong way round, as
// Microsoft's documentation of WTSINFOEX_LEVEL1 says.
func lockOf(flags uint32, inverted bool) lockState {
	if inverted && flags <= flagUnlock {
		flags = flagUnlock - flags
	}
	switch flags {
	case flagLock:
		return locked
	case flagUnlock:
		return unlocked
	}
	return lockUnknown
}

// wtsSessions lists the sessions in which somebody is logged in.
func wtsSessions() ([]wtsSession, error) {
	var info *windows.WTS_SESSION_INFO
	var count uint32
	if err := windows.WTSEnumerateSessions(0, 0, 1, &info, &count); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(info)))
	if count > maxSessions {
		return nil, fmt.Errorf("list sessions: %d of them, more than %d", count, maxSessions)
	}
	if count == 0 {
		// Windows has the services' session at least: this is Wine, or something is wrong.
		return nil, errors.New("list sessions: the session manager names none, not even its own")
	}
	version := windows.RtlGetVersion()
	inverted := version.MajorVersion == 6 && version.MinorVersion == 1
	var sessions []wtsSession
	for _, s := range unsafe.Slice(info, count) {
		switch s.State {
		case windows.WTSListen, windows.WTSReset, windows.WTSDown, windows.WTSInit:
			continue // nobody can be logged in there
		}
		user, err := wtsString(s.SessionID, wtsUserName)
		if err == nil && user == "" {
			continue // services, or the login screen
		}
		session := wtsSession{id: s.SessionID, user: user, connected: s.State != windows.WTSDisconnected}
		if level1, err := wtsInfoEx(s.SessionID); err == nil {
			session.lock = lockOf(uint32(level1.sessionFlags), inverted)
			if level1.lastInputTime > 0 {
				session.lastInput = fromFiletime(level1.lastInputTime)
			}
		}
		sessions = append(sessions, session)
	}
	return sessions, nil
}

// wtsString asks for a text about a session.
func wtsString(session uint32, class uint32) (string, error) {
	var buffer *uint16
	var size uint32
	ok, _, err := procWTSQuerySessionInformation.Call(0, uintptr(session), uintptr(class),
		uintptr(unsafe.Pointer(&buffer)), uintptr(unsafe.Pointer(&size)))
	if ok == 0 {
		return "", err
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(buffer)))
	return windows.UTF16ToString(unsafe.Slice(buffer, size/2)), nil
}

// wtsInfoLevel1 is WTSINFOEX_LEVEL1_W.
type wtsInfoLevel1 struct {
	sessionID     uint32
	sessionState  uint32
	sessionFlags  int32
	winStation    [33]uint16
	user          [21]uint16
	domain        [18]uint16
	logonTime     int64
	connectTime   int64
	disconnect    int64
	lastInputTime int64
	currentTime   int64
	counters      [6]uint32
}

func wtsInfoEx(session uint32) (wtsInfoLevel1, error) {
	type wtsInfoEx struct {
		level uint32
		data  wtsInfoLevel1
	}
	var buffer *wtsInfoEx
	var size uint32
	ok, _, err := procWTSQuerySessionInformation.Call(0, uintptr(session), wtsSessionInfoEx,
		uintptr(unsafe.Pointer(&buffer)), uintptr(unsafe.Pointer(&size)))
	if ok == 0 {
		return wtsInfoLevel1{}, err
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(buffer)))
	if uintptr(size) < unsafe.Sizeof(wtsInfoEx{}) || buffer.level != 1 {
		return wtsInfoLevel1{}, fmt.Errorf("session information of %d bytes", size)
	}
	return buffer.data, nil
}

// fromFiletime converts 100 ns since 1601.
func fromFiletime(t int64) time.Time {
	ft := windows.Filetime{LowDateTime: uint32(t), HighDateTime: uint32(t >> 32)}
	return time.Unix(0, ft.Nanoseconds())
}

// screensavers returns the process of a running screensaver for each session that has one. Windows tells
// only programs of the same desktop whether a screensaver runs; from outside one sees its process, a
// program whose name ends in ".scr".
func screensavers() (map[uint32]uint32, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	found := map[uint32]uint32{}
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	err = windows.Process32First(snapshot, &entry)
	for n := 0; err == nil; n++ {
		if n > maxProcesses {
			return nil, fmt.Errorf("list processes: more than %d", maxProcesses)
		}
		name := windows.UTF16ToString(entry.ExeFile[:])
		var session uint32
		if strings.HasSuffix(strings.ToLower(name), ".scr") && windows.ProcessIdToSessionId(entry.ProcessID, &session) == nil {
			found[session] = entry.ProcessID
		}
		err = windows.Process32Next(snapshot, &entry)
	}
	if !errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return found, nil
}

// alive reports whether a process still runs. Not being allowed to know is being alive.
func alive(pid uint32) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	if err != nil {
		return !errors.Is(err, windows.ERROR_INVALID_PARAMETER)
	}
	defer windows.CloseHandle(process)
	event, err := windows.WaitForSingleObject(process, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}

// ownLastInput is the time since the last input in this process's session. Windows tells it to programs in
// that session only.
func ownLastInput() (session uint32, ago time.Duration, ok bool) {
	if windows.ProcessIdToSessionId(windows.GetCurrentProcessId(), &session) != nil || session == 0 {
		return 0, 0, false
	}
	info := struct{ size, tick uint32 }{size: 8} // LASTINPUTINFO
	if r, _, _ := procGetLastInputInfo.Call(uintptr(unsafe.Pointer(&info))); r == 0 || info.tick == 0 {
		return 0, 0, false
	}
	now, _, _ := procGetTickCount.Call()
	return session, time.Duration(uint32(now)-info.tick) * time.Millisecond, true
}

var (
	procWTSQuerySessionInformation = windows.NewLazySystemDLL("wtsapi32.dll").NewProc("WTSQuerySessionInformationW")
	procGetLastInputInfo           = windows.NewLazySystemDLL("user32.dll").NewProc("GetLastInputInfo")
	procGetTickCount               = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetTickCount")
)
