package decide

import (
	"path/filepath"
	"strings"
)

// folders that say something of what lies in them, in lower case. Names of download folders are translated on many
// systems; these are the most frequent.
var (
	downloads = []string{"downloads", "download", "téléchargements", "descargas", "загрузки", "scaricati", "pobrane", "ダウンロード", "下载", "content.outlook", "inetcache"}
	temporary = []string{"tmp", "temp", "shm", "$recycle.bin", ".trash"}
	removable = []string{"/media/", "/run/media/", "/mnt/"}
	autostart = []string{"startup", "autostart", "cron.d", "cron.daily", "cron.hourly", "cron.weekly", "cron.monthly", "profile.d", "init.d", "launchagents"}
)

// location adds what the place tells.
func (l *look) location() {
	if l.place == "" {
		l.add("no-path", "it has no path any more: it was deleted, or never had one")
		return
	}
	if l.open != "" {
		l.add("others-can-write", "others than the administrator can put something there: %s", l.open)
	}
	slashed := strings.ToLower(filepath.ToSlash(l.place))
	folders := strings.Split(slashed, "/")
	base := folders[len(folders)-1]
	folders = folders[:len(folders)-1]
	if name := anyOf(folders, downloads); name != "" {
		l.add("downloads", "it lies in a folder for what was downloaded (%q)", name)
	}
	if name := anyOf(folders, temporary); name != "" {
		l.add("temporary", "it lies in a folder for what is temporary (%q)", name)
	}
	if name := anyOf(folders, autostart); name != "" {
		l.add("autostart", "it lies in a folder from which things are started (%q)", name)
	}
	for _, prefix := range removable {
		if strings.HasPrefix(slashed, prefix) {
			l.add("removable", "it lies where removable disks are mounted (%q)", prefix)
			break
		}
	}
	if onRemovable(l.place) {
		l.add("removable", "it lies on a removable or a network drive")
	}
	if strings.HasPrefix(base, ".") || hiddenFolder(folders) {
		l.add("hidden", "its name, or its folder's, is one that is not shown")
	}
	if pattern, ok := matching(l.policy.risky, l.place); ok {
		l.add("risky-path", "the policy calls %q risky", pattern)
	}
	if isSetuid(l.info) {
		l.add("setuid", "it runs with other rights than those of who starts it")
	}
}

func anyOf(folders, names []string) string {
	for _, f := range folders {
		for _, n := range names {
			if f == n {
				return f
			}
		}
	}
	return ""
}

// usual are hidden folders in which programs are at home.
var usual = map[string]bool{".local": true, ".config": true, ".cache": true, ".cargo": true, ".rustup": true, ".npm": true,
	".nvm": true, ".vscode": true, ".git": true, ".venv": true, ".mozilla": true, ".steam": true, ".var": true}

func hiddenFolder(folders []string) bool {
	for _, f := range folders {
		if len(f) > 1 && f[0] == '.' && f != ".." && !usual[f] {
			return true
		}
	}
	return false
}

// origin adds what the system kept of where a file came from.
func (l *look) origin() {
	if from := webMark(l.request.File, l.place); from != "" {
		l.add("web", "it is marked as coming from the internet: %s", from)
	}
}
