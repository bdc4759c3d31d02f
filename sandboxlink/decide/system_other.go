//go:build !linux && !windows

package decide

import (
	"io/fs"
	"os"

	"tyto/sandboxlink/decide/authenticode"
)

// On other systems nothing is remembered and no place is trusted.

func identify(f *os.File) (identity, fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, nil, err
	}
	return identity{size: info.Size(), modified: info.ModTime().UnixNano()}, info, nil
}

func keepsChangeTime(*os.File) bool { return false }

func realPath(_ *os.File, asked string) string { return asked }

func writableByOthers(string, fs.FileInfo) string { return "it is not known who can write there" }

func isSetuid(info fs.FileInfo) bool { return info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 }

func webMark(*os.File, string) string { return "" }

func onRemovable(string) bool { return false }

func systemSignature(*os.File, string) *authenticode.Signature { return nil }

func duplicate(f *os.File) (*os.File, error) { return os.Open(f.Name()) }
