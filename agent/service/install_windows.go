package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"tyto/agent/events"
	"tyto/agent/place"
)

// programFiles is the folder that only administrators can write.
func programFiles() string {
	if dir := os.Getenv("ProgramFiles"); dir != "" {
		return dir
	}
	return `C:\Program Files`
}

// Install returns the steps that make the agent a service of Windows: the program stands in the folder for
// programs, a policy is there, and the service is made and started.
func Install(o Options) ([]Step, error) {
	binary, err := program(o)
	if err != nil {
		return nil, err
	}
	places := place.Default(os.Getenv)
	target := filepath.Join(programFiles(), "Tyto", "tyto.exe")
	policy := places.Policy
	if o.Root != "" {
		target = filepath.Join(o.Root, "Tyto", "tyto.exe")
		policy = filepath.Join(o.Root, "ProgramData", "Tyto", "policy.yaml")
	}
	var steps []Step
	if o.Root == "" && inside(binary, programFiles()) {
		target = binary
	} else {
		steps = append(steps, Step{fmt.Sprintf("copy %s to %s", binary, target), func(context.Context) error { return copyProgram(binary, target) }})
	}
	if _, err := os.Lstat(policy); errors.Is(err, fs.ErrNotExist) {
		steps = append(steps, Step{"write " + policy, func(context.Context) error {
			if err := place.MakeDir(filepath.Dir(policy)); err != nil {
				return err
			}
			return os.WriteFile(policy, o.Policy, 0o600)
		}})
	}
	if o.Root != "" {
		return steps, nil
	}
	return append(steps,
		Step{"register the event source " + events.Source, func(context.Context) error { return registerSource() }},
		Step{"make the service " + Name, func(context.Context) error { return makeService(target) }},
		Step{"start the service " + Name, func(context.Context) error { return startService() }},
	), nil
}

// Uninstall returns the steps that undo Install. Policy, state and quarantine stay unless Purge says
// otherwise.
func Uninstall(o Options) ([]Step, error) {
	var steps []Step
	dir, data := filepath.Join(programFiles(), "Tyto"), place.Default(os.Getenv).Data
	if o.Root == "" {
		steps = append(steps,
			Step{"stop and delete the service " + Name, deleteService},
			Step{"remove the event source " + events.Source, func(context.Context) error {
				_ = eventlog.Remove(events.Source) // one that is not there need not be removed
				return nil
			}})
	} else {
		dir, data = filepath.Join(o.Root, "Tyto"), filepath.Join(o.Root, "ProgramData", "Tyto")
	}
	program := filepath.Join(dir, "tyto.exe")
	if _, err := os.Lstat(program); err == nil {
		steps = append(steps, Step{"remove " + program, func(context.Context) error { return removeProgram(program) }})
	}
	if _, err := os.Lstat(data); o.Purge && err == nil {
		steps = append(steps, Step{"remove all of " + data, func(context.Context) error { return os.RemoveAll(data) }})
	}
	return steps, nil
}

// inside reports whether a file is below a folder, whatever the case of letters.
func inside(file, dir string) bool {
	return strings.HasPrefix(strings.ToLower(file), strings.ToLower(dir)+`\`)
}

// registerSource tells the event log to show texts as they are: EventCreate.exe holds a table for that.
func registerSource() error {
	err := eventlog.InstallAsEventCreate(events.Source, eventlog.Info|eventlog.Warning|eventlog.Error)
	if err != nil && strings.Contains(err.Error(), "exists") {
		return nil
	}
	return err
}

func makeService(program string) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w: run it as an administrator", err)
	}
	defer m.Disconnect()
	if s, err := m.OpenService(Name); err == nil {
		return s.Close() // it is there: only the program was renewed
	}
	s, err := m.CreateService(Name, program, mgr.Config{
		StartType:    mgr.StartAutomatic,
		DisplayName:  Title,
		Description:  About,
		ErrorControl: mgr.ErrorNormal,
	}, "service", "run")
	if err != nil {
		return err
	}
	defer s.Close()
	// People who log in come first. Wine does not know that, which costs nothing.
	delayed := windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1}
	err = windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, (*byte)(unsafe.Pointer(&delayed)))
	if err != nil && !errors.Is(err, windows.ERROR_INVALID_LEVEL) {
		return fmt.Errorf("have it started after what people need: %w", err)
	}
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: 5 * time.Second}
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{again, again, {Type: mgr.ServiceRestart, Delay: time.Minute}}, 24*60*60); err != nil {
		return fmt.Errorf("have it restarted after a failure: %w", err)
	}
	return nil
}

func startService() error {
	return withService(func(s *mgr.Service) error {
		if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return err
		}
		return nil
	})
}

func withService(do func(*mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w: run it as an administrator", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(Name)
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s)
}

func deleteService(ctx context.Context) error {
	err := withService(func(s *mgr.Service) error {
		if _, err := s.Control(svc.Stop); err == nil {
			awaitStop(ctx, s)
		}
		return s.Delete()
	})
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil
	}
	return err
}

// awaitStop waits until the service has stopped, at most as long as it may take.
func awaitStop(ctx context.Context, s *mgr.Service) {
	for range 300 {
		status, err := s.Query()
		if err != nil || status.State == svc.Stopped {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// removeProgram removes the program, at the next start of the computer if it runs: that of this very command
// does.
func removeProgram(path string) error {
	err := os.Remove(path)
	if err == nil {
		return nil
	}
	name, bad := windows.UTF16PtrFromString(path)
	if bad != nil {
		return bad
	}
	if later := windows.MoveFileEx(name, nil, windows.MOVEFILE_DELAY_UNTIL_REBOOT); later != nil {
		return errors.Join(err, later)
	}
	return nil
}
