package derive

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// worth says how much a name tells.
type worth int

const (
	// plain names are on any computer.
	plain worth = iota
	// chosen names are not made of common words only: somebody chose them, but another may have, too.
	chosen
	// unique names are nowhere by chance.
	unique
)

// judged is what a part of a path or key is found to be.
type judged struct {
	worth worth
	// pattern is a regular expression for it, on other computers and in other runs.
	pattern string
	// random reports that a program made it up, so that it may be another one in the next run.
	random bool
	// stable reports that it identifies a thing wherever that is installed: an extension, a class.
	stable bool
}

var (
	guid = regexp.MustCompile(`(?i)^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$`)
	// A volume's GUID is made when Windows is installed; its last part spells "mario" or "nonic".
	volumeGUID = regexp.MustCompile(`(?i)-80(?:6d6172696f|6e6f6e6963)\}?$`)
	// Windows' own classes are of this form: those of COM and OLE.
	// Others carry the network cards of the computers on which they were made in the nineties.
	systemGUID = regexp.MustCompile(`(?i)-0000-0000-c000-000000000046\}?$|-[0-9a-f]{4}-(?:00aa00|00a0c9|00c04f|08002b|0080c7|00805f|006097|00600[0-9a-f]|00dd01|444553)[0-9a-f]{6}\}?$`)
	// chromeID is the hash of an extension's key, in the letters a to p.
	chromeID = regexp.MustCompile(`^[a-p]{32}$`)
	// firefoxID looks like a mail address, and so do the units of systemd, versions of packages, and icons for
	// fine screens: see isFirefoxID.
	firefoxID  = regexp.MustCompile(`(?i)^[\w.+-]{2,}@(?:[\w-]+\.)*[a-z-]*[a-z][\w-]*\.([a-z]{2,10})$`)
	notFirefox = regexp.MustCompile(`(?i)^(?:service|socket|target|timer|slice|mount|device|path|scope|conf|png|jpe?g|gif|svg|ico|webp|css|js|ts|json|xml|html?|txt|log|so|dll|exe|tgz|gz|zip|plist|icns|desktop)$`)
	sid        = regexp.MustCompile(`^(?i)s-1-[0-9-]{5,}$`)
	shortName  = regexp.MustCompile(`(?i)^[^.~]{1,6}~[0-9]+(?:\.[^.]{1,3})?$`)
	numeric    = regexp.MustCompile(`^[0-9._-]+$`)
)

// unpackers are folders that installers make for a moment, and what stands for them.
var unpackers = []struct{ found, pattern *regexp.Regexp }{
	{regexp.MustCompile(`(?i)^7z[se]?[0-9a-f]+(\.tmp)?$`), regexp.MustCompile(`7z[^\\/]+`)},
	{regexp.MustCompile(`(?i)^ns[a-z][0-9a-f]{1,5}\.tmp$`), regexp.MustCompile(`ns[^\\/]+\.tmp`)},
	{regexp.MustCompile(`(?i)^~nsu?[0-9a-z]*\.tmp$`), regexp.MustCompile(`~ns[^\\/]*\.tmp`)},
	{regexp.MustCompile(`(?i)^is-[0-9a-z]{5}\.tmp$`), regexp.MustCompile(`is-[^\\/]+\.tmp`)},
	{regexp.MustCompile(`(?i)^_mei[0-9]+$`), regexp.MustCompile(`_MEI[0-9]+`)},
	{regexp.MustCompile(`(?i)^ixp[0-9]{3}\.tmp$`), regexp.MustCompile(`IXP[0-9]+\.TMP`)},
	{regexp.MustCompile(`(?i)^rarsfx[0-9]+$`), regexp.MustCompile(`RarSFX[0-9]+`)},
	{regexp.MustCompile(`(?i)^gum[0-9a-f]+\.tmp$`), regexp.MustCompile(`GUM[^\\/]+\.tmp`)},
	{regexp.MustCompile(`(?i)^~?[a-z]{0,4}[0-9a-f]{1,8}\.tmp$`), regexp.MustCompile(`[^\\/]+\.tmp`)},
	{regexp.MustCompile(`(?i)^tmp[.-]?[0-9a-z_]{5,12}$`), regexp.MustCompile(`tmp[^\\/]+`)},
}

// wellKnownExtensions are extensions that Chrome brings itself.
var wellKnownExtensions = map[string]bool{
	"aapocclcgogkmnckokdopfmhonfmgoek": true, "aohghmighlieiainnegkcijnfilokake": true, "apdfllckaahabafndbhieahigkjlhalf": true,
	"blpcfgokakmgnkcojhhkbfbldkacnbeo": true, "coobgpohoikkiipiblmjeljniedjpjpf": true, "felcaaldnbdncclmgdcncolpebgiejap": true,
	"ghbmnnjooekpmoecnnnilnnbdlolhkhi": true, "nmmhkkegccagdldgiimedpiccmgmieda": true, "pjkljhegncpnkpknbcohdijeoejaedia": true,
	"pkedcjkdefgpdelpbcmbmeomcjbeemfm": true,
}

// judge says what a part of a path or key is. In a path, name is without its extension for the last part.
func judge(name string, temporary bool) judged {
	literal := judged{pattern: regexp.QuoteMeta(name)}
	for _, u := range unpackers {
		if u.found.MatchString(name) && (temporary || strings.HasSuffix(strings.ToLower(name), ".tmp")) {
			return judged{pattern: u.pattern.String(), random: true}
		}
	}
	switch {
	case guid.MatchString(name):
		if volumeGUID.MatchString(name) || systemGUID.MatchString(name) {
			return literal
		}
		literal.worth, literal.stable = unique, !temporary
		return literal
	case chromeID.MatchString(name):
		if !wellKnownExtensions[name] {
			literal.worth, literal.stable = unique, true
		}
		return literal
	case isFirefoxID(name):
		if !strings.HasSuffix(name, "@mozilla.org") && !strings.HasSuffix(name, "@mozilla.com") {
			literal.worth, literal.stable = unique, true
		}
		return literal
	case sid.MatchString(name):
		return judged{pattern: `S-1-[0-9-]+`}
	case shortName.MatchString(name):
		return judged{pattern: `[^\\/]+`}
	case numeric.MatchString(name):
		literal.pattern = `[0-9._-]+`
		return literal
	case len(name) > 200:
		return literal // nobody looks at it twice; the folder around it may tell
	}
	if random := randomLetters(name); random > 0 {
		literal.random, literal.pattern = true, wildcard(name)
		if literal.worth = chosen; random >= 10 {
			literal.worth = unique
		}
		return literal
	}
	lower := strings.ToLower(name)
	if known().vendors[lower] || known().files[lower] || known().words[lower] || onlyCommonWords(name) {
		return literal
	}
	literal.worth = chosen
	return literal
}

// isFirefoxID reports whether a name is that of an extension of Firefox, as a folder or as a file.
func isFirefoxID(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".xpi")
	m := firefoxID.FindStringSubmatch(name)
	return m != nil && !notFirefox.MatchString(m[1])
}

// randomLetters returns how long the longest part of a name is that looks as if it had been drawn by lot, 0 if
// none does. It knows digits among letters, hexadecimal digits, letters that nobody could pronounce, and
// changes of case without sense.
func randomLetters(name string) int {
	longest := 0
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(part) > longest && looksRandom(part) {
			longest = len(part)
		}
	}
	return longest
}

func looksRandom(s string) bool {
	var digits, letters, changes, cases, consonants, longestRun, vowels int
	hex := true
	previous := rune(0)
	for _, r := range s {
		if r >= 0x80 {
			return false // a language that this knows nothing of
		}
		lower := unicode.ToLower(r)
		hex = hex && (unicode.IsDigit(r) || 'a' <= lower && lower <= 'f')
		if unicode.IsDigit(r) {
			digits++
			consonants = 0
		} else {
			letters++
			if strings.ContainsRune("aeiouy", lower) {
				vowels++
				consonants = 0
			} else if consonants++; consonants > longestRun {
				longestRun = consonants
			}
		}
		if previous != 0 {
			if unicode.IsDigit(r) != unicode.IsDigit(previous) {
				changes++
			} else if unicode.IsUpper(r) != unicode.IsUpper(previous) && !unicode.IsDigit(r) {
				cases++
			}
		}
		previous = r
	}
	switch {
	case len(s) < 6:
		return false
	case hex && len(s) >= 8 && digits > 0 && letters > 0, hex && len(s) >= 16:
		return true
	case changes >= 3:
		return true
	case letters >= 8 && digits == 0 && longestRun >= 7:
		return true
	case letters >= 8 && vowels*7 < letters:
		return true
	case letters >= 8 && cases*2 > letters && cases >= 5:
		return true
	}
	return false
}

// wildcard returns a regular expression for names of the same make: runs of the same kinds of letters.
func wildcard(name string) string {
	var b strings.Builder
	start := 0
	runes := []rune(name)
	isPart := func(r rune) bool { return r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	for i := 0; i <= len(runes); i++ {
		if i < len(runes) && isPart(runes[i]) {
			continue
		}
		if part := string(runes[start:i]); part != "" {
			b.WriteString(letterClass(part))
		}
		if i < len(runes) {
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		}
		start = i + 1
	}
	return b.String()
}

func letterClass(part string) string {
	if !looksRandom(part) && strings.Trim(part, "0123456789") != "" {
		return regexp.QuoteMeta(part)
	}
	kind := "0-9A-Za-z"
	switch {
	case strings.Trim(part, "0123456789") == "":
		kind = "0-9"
	case strings.Trim(strings.ToLower(part), "0123456789abcdef") == "":
		kind = "0-9a-f"
	case !strings.ContainsAny(part, "0123456789"):
		kind = "a-z"
	}
	return fmt.Sprintf("[%s]{%d}", kind, len(part))
}

// onlyCommonWords reports whether a name is made of words that clean programs use. Remainders of up to three
// letters count as such.
func onlyCommonWords(name string) bool {
	words := known().words
	for _, word := range splitWords(name) {
		if len(word) > 3 && !words[word] && !compound(word) {
			return false
		}
	}
	return true
}

// compound reports whether a word is two common ones together, of at least three letters each.
func compound(word string) bool {
	words := known().words
	for i := 3; i <= len(word)-3; i++ {
		if words[word[:i]] && words[word[i:]] {
			return true
		}
	}
	return false
}

// splitWords splits a name at what is no letter and where a capital follows a small letter, and returns the
// words in lower case.
func splitWords(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	var previous rune
	for _, r := range name {
		if !unicode.IsLetter(r) {
			end()
		} else {
			if unicode.IsUpper(r) && unicode.IsLower(previous) {
				end()
			}
			word = append(word, r)
		}
		previous = r
	}
	end()
	return words
}
