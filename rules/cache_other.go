//go:build !unix

package rules

import "os"

// checkFolder, checkFile: on Windows the cache lies in the user's profile, which other users cannot
// write by the access lists that it inherits.
func checkFolder(dir string) error {
	_, err := os.Stat(dir)
	return err
}

func checkFile(*os.File) error { return nil }

func openNoFollow(name string) (*os.File, error) { return os.Open(name) }
