//go:build unix

package walk

// Computer returns roots below which all files of this computer lie.
func Computer() ([]string, error) { return []string{"/"}, nil }

// SystemDrives returns roots below which the files lie that the system needs to start and to run: the
// places of the file system hierarchy, each of which may be a file system of its own. They are meant for
// a walk with [Options].OneFileSystem; one that does not exist is left out.
func SystemDrives() ([]string, error) {
	return existing("/", "/boot", "/boot/efi", "/efi", "/usr", "/usr/local", "/var", "/opt", "/etc", "/root", "/home", "/tmp", "/var/tmp"), nil
}
