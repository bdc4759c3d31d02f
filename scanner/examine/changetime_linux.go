package examine

import (
	"os"
	"syscall"
	"time"
)

// changeTime returns when the content or metadata of a file changed last (st_ctim).
func changeTime(info os.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(st.Ctim.Unix())
}
