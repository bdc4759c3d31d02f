package derive

import "regexp"

// noises are places to which systems and clean programs write while anything runs.
var noises = []struct {
	found  *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`\\windows\\prefetch\\`), "Windows notes there which programs ran"},
	{regexp.MustCompile(`\\(?:recent|nethood|printhood|cookies|history|temporary internet files|content\.ie5|inetcache|inetcookies|webcache|cryptneturlcache|thumbcache)\\`),
		"Windows writes there while any program runs"},
	{regexp.MustCompile(`\\(?:system volume information|windows\\(?:softwaredistribution|logs|debug|winsxs|servicing|registration|system32\\(?:config|wbem|catroot2?|logfiles|spool|winevt)))\\`),
		"Windows writes there itself"},
	{regexp.MustCompile(`\\google\\chrome\\user data\\|\\microsoft\\edge\\user data\\|\\mozilla\\firefox\\profiles\\`), "is in the profile of a browser, as others are"},
	{regexp.MustCompile(`\\temp\\(?:.*\\)?ns[a-z][0-9a-f]{1,5}\.tmp\\`), "is a plug-in of NSIS, which any installer made by it brings"},
	{regexp.MustCompile(`^/(?:proc|sys)/|^/dev/(?:[^s]|s[^h])`), "is no file on a disk"},
	{regexp.MustCompile(`^/(?:home/[^/]+|root)/(?:\.cache|\.local/share/recently)|^/var/(?:cache|log|lib/(?:dpkg|apt|systemd))/`), "the system and clean programs write there"},
}

// noise says why nothing is to be learned from what was written to a path, or "".
func noise(path string) string {
	lower := asciiLower(path)
	for _, n := range noises {
		if n.found.MatchString(lower) {
			return n.reason
		}
	}
	return ""
}

// ofProduct says that a folder was filled by an installer or a package manager, with the same files everywhere, or "".
func (l located) ofProduct(path string) string {
	switch {
	case ofPackages.MatchString(path) && l.place.class == ordinary:
		return "lies in a folder that holds the same files on many computers"
	case l.programFiles() && len(l.parts) > 1 && known().vendors[asciiLower(l.parts[0])]:
		return "lies in the program folder of a well-known maker"
	}
	return ""
}
