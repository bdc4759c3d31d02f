package main

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"tyto/report"
)

// host describes this computer. What cannot be found out stays empty.
func host() report.Host {
	h := report.Host{Architecture: architecture(), OS: report.OS{Type: osType()}}
	if name, err := os.Hostname(); err == nil {
		h.Name = name
	} else {
		h.Name = "unknown"
	}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		h.ID = strings.TrimSpace(string(id))
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		h.OS.Kernel = strings.TrimSpace(string(release))
	}
	h.OS.Name, h.OS.Version = distribution()
	return h
}

// architecture returns the processor's name as ECS and uname have it.
func architecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

func osType() string {
	switch runtime.GOOS {
	case "linux", "windows":
		return runtime.GOOS
	case "darwin":
		return "macos"
	}
	return "unix"
}

// distribution reads the name and version of a Linux distribution (os-release(5)).
func distribution() (name, version string) {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "", ""
	}
	defer f.Close()
	values := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		values[key] = value
	}
	return values["NAME"], values["VERSION"]
}
