package facts

import (
	"bytes"
	"encoding/binary"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
)

// deed is a row of the table of what scripts do: it is done where one of the words occurs and each of the
// expressions matches somewhere.
type deed struct {
	id string
	// words are in lower case. They are looked for first, which spares nearly all scripts the expressions.
	words       []string
	expressions []*regexp.Regexp
}

// d makes a row; words are separated by spaces, and letters match either case. Go's expressions take linear time
// on any input; counts in them are kept small, as they cost memory and time.
func d(id, words string, expressions ...string) deed {
	row := deed{id: id, words: strings.Fields(words)}
	for _, e := range expressions {
		row.expressions = append(row.expressions, regexp.MustCompile(`(?i)`+e))
	}
	return row
}

// lazy compiles an expression when it is first needed, which most processes of this program never do.
func lazy(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// shell is how a pipe ends in a shell.
const shell = `\|\s*(sudo\s+)?(/bin/|/usr/bin/)?(ba|da|z|k|a)?sh\b`

// deeds is the table. A row must name the deed, not a tool alone: curl fetches, and "curl | sh" runs what it
// fetched.
var deeds = sync.OnceValue(func() []deed {
	return []deed{
		// Shell
		d("script-fetches-runs", "curl wget", `\b(curl|wget)\b[^\n|;]*`+shell),
		d("script-fetches-runs", "curl wget", `\b(curl|wget)\b[^\n|;]*\|\s*(sudo\s+)?(/usr/bin/)?(python|perl|ruby|php)[\d.]*\b`),
		d("script-fetches-runs", "curl wget", `\b((ba|da|z)?sh\s+(-c\s+)?|eval\s+)["']?(<\(|\$\(|`+"`"+`)\s*(curl|wget)\b`),
		d("script-fetches-runs", "curl wget", `\b(curl|wget)\s[^\n]*(-o\s*|-O\s*|--output[= ]|>\s*)["']?(/tmp|/var/tmp|/dev/shm|\./|\$)`,
			`\bchmod\s+(\S*\+x|0?[0-7]?[157][0-7]{2})\s`, `(?m)(^|[;&|]|\bthen|\bdo|nohup|setsid|sudo|exec)\s*["']?(/tmp|/var/tmp|/dev/shm|\.|\$\w+)/[\w.$-]+`),
		d("script-decodes-runs", "base64 base32", `\bbase(64|32)\s+(-d|--decode)\b[^\n|;]*(\|\s*(gunzip|zcat|gzip -d\w*|xz -d\w*)\s*)?`+shell),
		d("script-decodes-runs", "base64", `\beval\s+["']?(\$\(|`+"`"+`)[^\n]*\bbase64\s+(-d|--decode)\b`),
		d("script-decodes-runs", "base64", `\b(ba|da|z)?sh\s+(-c\s+["']?\$\(|<\()[^\n]*\bbase64\s+(-d|--decode)\b`),
		d("script-decodes-runs", "xxd", `\bxxd\s+-r[^\n|]*`+shell),
		d("script-reverse-shell", "/dev/tcp/ /dev/udp/", `\b(ba|z)?sh\s+-i\b[^\n]*/dev/(tcp|udp)/`),
		d("script-reverse-shell", "/dev/tcp/ /dev/udp/", `\bexec\s+\d+<>\s*/dev/(tcp|udp)/`, `\b(ba|da|z)?sh\b[^\n]*<\s*&\s*\d|\bwhile\s+read\b[^\n]*\beval\b|\$line\b[^\n]*>&\s*\d`),
		d("script-reverse-shell", "nc netcat", `\b(nc|ncat|netcat)\b[^\n|;]*\s-(e|c)\s+["']?(/bin/|/usr/bin/|cmd)`),
		d("script-reverse-shell", "mkfifo", `\bmkfifo\b`, `\bsh\s+-i\b[^\n]*\|\s*(nc|ncat|netcat|openssl)\b`),
		d("script-reverse-shell", "socket", `\bsocket\.socket\(`, `\bdup2\(`, `/bin/(ba)?sh`),
		d("script-persists", "crontab", `\(\s*crontab\s+-l[^\n]*\|\s*crontab\b|\|\s*crontab\s+-(\s|$)`),
		d("script-persists", "/etc/ /var/spool/cron", `>>?\s*["']?(/etc/cron\.?(d|hourly|daily)/|/etc/crontab|/var/spool/cron|/etc/rc\.local|/etc/ld\.so\.preload|/etc/systemd/system/|/etc/profile\.d/)`),
		d("script-persists", "rc profile authorized_keys autostart", `>>\s*["']?(~|\$HOME|\$\{HOME\}|/root|/home/[^/\s]+)/\.(bashrc|profile|bash_profile|zshrc|ssh/authorized_keys|config/autostart)`),
		d("script-disarms", "setenforce ufw iptables systemctl", `\bsetenforce\s+0\b|\bufw\s+disable\b|\biptables\s+-F\b|\bsystemctl\s+(stop|disable|mask)\s+(--now\s+)?(auditd|apparmor|falcon|clamav|crowdstrike|osqueryd|wazuh|sysmon|aliyun|tyto)`),
		d("script-hides-traces", "hist /var/log/ $0", `\bunset\s+HISTFILE\b|\bHISTFILE=/dev/null|\bhistory\s+-c\b|(>|rm\s+-\w*f\w*)\s*/var/log/(wtmp|btmp|lastlog|auth|secure|messages|syslog)|\brm\s+(-\w+\s+)*["']?\$0\b`),

		// Windows command lines and PowerShell
		d("script-fetches-runs", "iex invoke-expression", `\b(iex|invoke-expression)\b`, `\b(downloadstring|downloaddata|invoke-webrequest|iwr|invoke-restmethod|irm)\b`),
		d("script-fetches-runs", "downloadfile bitstransfer invoke-webrequest iwr urldownloadtofile", `\b(downloadfile|start-bitstransfer|invoke-webrequest|iwr|urldownloadtofile)\b[^\n]*\bhttps?:|https?:[^\n]*\n(?s:.*)\b(downloadfile|start-bitstransfer|urldownloadtofile)`,
			`\b(start-process|invoke-item|shellexecute|wscript\.shell|rundll32|regsvr32)\b`),
		d("script-fetches-runs", "certutil bitsadmin mshta regsvr32", `\bcertutil(\.exe)?\b[^\n]*-urlcache\b|\bbitsadmin(\.exe)?\b[^\n]*/transfer\b|\bmshta(\.exe)?\s+["']?https?:|\bregsvr32(\.exe)?\b[^\n]*/i:https?:`),
		d("script-fetches-runs", "xmlhttp winhttprequest", `\b(msxml2\.(server)?xmlhttp|winhttp\.winhttprequest|microsoft\.xmlhttp)\b`, `\b(adodb\.stream|savetofile)\b`, `\.(run|exec|shellexecute)\b`),
		d("script-encoded-command", "powershell pwsh", `\b(powershell|pwsh)(\.exe)?\b[^\n]*\s-e(nc|ncodedcommand|c)?\s+["']?[a-z0-9+/=]{40}`),
		d("script-decodes-runs", "frombase64string", `frombase64string\(`, `\b(iex|invoke-expression|reflection\.assembly)\b|\]::load\b`),
		d("script-hides-window", "powershell pwsh", `\b(powershell|pwsh)(\.exe)?\b[^\n]*\s-w(indowstyle)?\s+h(idden)?\b`),
		d("script-disarms", "mppreference amsi netsh", `\b(set|add)-mppreference\b[^\n]*(-disable|-exclusion)|amsiutils|amsiinitfailed|amsiscanbuffer|\bnetsh\s+(adv)?firewall\b[^\n]*\b(off|disable)\b`),
		d("script-destroys", "vssadmin shadowcopy bcdedit wbadmin", `\bvssadmin(\.exe)?\s+delete\s+shadows|\bwmic\b[^\n]*shadowcopy\s+delete|\bbcdedit\b[^\n]*recoveryenabled\s+no|\bwbadmin\s+delete\s+catalog`),
		d("script-persists", "\\run schtasks", `\breg(\.exe)?\s+add\b[^\n]*\\currentversion\\run\b|\bschtasks(\.exe)?\b[^\n]*/create\b|(new|set)-itemproperty\b[^\n]*\\currentversion\\run\b|\bregwrite\b[^\n]*\\currentversion\\run\\`),

		// Python, PHP, JavaScript
		d("script-decodes-runs", "b64decode decompress marshal fromhex codecs", `\b(exec|eval)\s*\(\s*(compile\s*\(\s*)?(zlib\.decompress\s*\(\s*|marshal\.loads\s*\(\s*|bytes\.fromhex\s*\()?\s*(__import__\(['"]\w+['"]\)|base64|codecs|b64decode)`),
		d("script-decodes-runs", "base64_decode gzinflate gzuncompress str_rot13", `\b(eval|assert|create_function)\s*\(\s*(@?\s*(gzinflate|gzuncompress|str_rot13|base64_decode|strrev)\s*\(\s*)+`),
		d("script-decodes-runs", "atob unescape buffer.from", `\beval\s*\(\s*(atob|unescape|buffer\.from)\s*\(`),
		d("script-fetches-runs", "urlopen requests urllib", `\b(exec|eval)\s*\(\s*(urllib\.request\.urlopen|requests\.get|__import__\(['"](urllib|requests))`),
	}
})

var (
	// blob is a long run of Base64: lines of at least 60 digits, together some 800.
	blob = lazy(`([A-Za-z0-9+/]{60,}\s{0,2}){13}`)
	// commentLine is a line of a shell, Python or Perl script that is only a comment.
	commentLine = lazy(`(?m)^[ \t]*#[^\n]*$`)
)

// prose are endings of texts that tell how something is run, and are not run.
var prose = set("md", "txt", "rst", "log", "json", "yaml", "yml", "csv", "adoc", "toml", "po", "diff", "patch")

// script looks at what a script does.
func (l *look) script() {
	if ending := strings.ToLower(path.Ext(l.name)); !programs[l.Type] && ending != "" && prose[ending[1:]] {
		l.Looked = ""
		return
	}
	text := decodeText(l.content)
	if len(text) > maxText {
		l.unseen("only the first %d MiB of the text were searched", maxText>>20)
		text = text[:maxText]
	}
	if l.Type == "UNIX SCRIPT" || l.Type == "Python" || l.Type == "" {
		text = commentLine().ReplaceAll(text, nil)
	}
	l.search(text)
	if m := blob().Find(text); m != nil && programs[l.Type] {
		l.fact("script-base64-blob", string(m[:60]))
	}
}

// search holds text against the table.
func (l *look) search(text []byte) {
	lower := bytes.ToLower(text)
	for _, row := range deeds() {
		if !slices.ContainsFunc(row.words, func(w string) bool { return bytes.Contains(lower, []byte(w)) }) {
			continue
		}
		if evidence, ok := row.matches(text); ok {
			l.fact(row.id, evidence...)
		}
	}
}

// matches returns what each expression matched, if all did.
func (d *deed) matches(text []byte) (evidence []string, ok bool) {
	for _, e := range d.expressions {
		m := e.Find(text)
		if m == nil {
			return nil, false
		}
		evidence = append(evidence, string(m[:min(len(m), 2*maxPiece)]))
	}
	return evidence, true
}

// decodeText makes UTF-16 with a byte order mark UTF-8.
func decodeText(content []byte) []byte {
	if !isUTF16(content) {
		return content
	}
	var order binary.ByteOrder = binary.LittleEndian
	if content[0] == 0xfe {
		order = binary.BigEndian
	}
	content = content[:min(len(content), 2*maxText)]
	units := make([]uint16, 0, len(content)/2)
	for i := 2; i+1 < len(content); i += 2 {
		units = append(units, order.Uint16(content[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}
