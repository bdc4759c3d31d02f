package walk

import (
	"os"
	"slices"
)

// existing returns the folders among paths.
func existing(paths ...string) []string {
	return slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.IsDir()
	})
}
