package derive

import (
	"regexp"
	"strings"
)

// sessionPrefix is what stands before the name of an object of the kernel.
var sessionPrefix = regexp.MustCompile(`(?i)^\\?(?:sessions\\[0-9]+\\)?(?:basenamedobjects\\)?(?:(?:global|local|session\\[0-9]+)\\)*`)

// shortest is how many letters a name must have that is to say something alone.
const shortest = 6

// mutexes makes indicators of mutexes.
func (c *collector) mutexes() {
	for _, raw := range c.derived.report.Mutexes {
		name := raw[len(sessionPrefix.FindString(raw)):]
		if reason := c.commonObject(name); reason != "" {
			c.leaveOut(Mutex, raw, reason)
			continue
		}
		c.add(Indicator{
			Kind: Mutex, Confidence: 75, Why: "a mutex by which it knows that it runs already", Evidence: []string{raw},
			Tests: []Test{
				{"ProcessItem/HandleList/Handle/Name", "ends-with", "string", `\` + name},
				{"ProcessItem/HandleList/Handle/Type", "is", "string", "Mutant"},
			},
			stix: "mutex:name MATCHES " + stixText(`(?:^|\\)`+regexp.QuoteMeta(name)+`$`),
		})
	}
}

// commonObject says why the name of a mutex says nothing, or "".
func (c *collector) commonObject(name string) string {
	switch {
	case known().mutexes.MatchString(name):
		return "Windows and clean programs make it as well"
	case len(name) < shortest:
		return "is too short to be nobody else's"
	case c.ofSandbox(name):
		return "names the user or the computer of the sandbox"
	case judge(name, false).worth == plain:
		return "is made of words that clean programs use"
	}
	return unwritable(name)
}

// ofSandbox reports whether a name holds that of the sandbox's user or computer, which no other computer has.
func (c *collector) ofSandbox(name string) bool {
	lower := strings.ToLower(name)
	for _, own := range append([]string{c.derived.report.Computer}, c.derived.report.Users...) {
		if len(own) >= 4 && strings.Contains(lower, strings.ToLower(own)) {
			return true
		}
	}
	return false
}

// services makes indicators of services.
func (c *collector) services() {
	for _, s := range c.derived.report.Services {
		c.service(strings.TrimSuffix(s.Name, ".service"), s.Name)
	}
}

// service makes an indicator of a service by its name, and reports whether it did.
func (c *collector) service(name, evidence string) bool {
	var reason string
	switch {
	case known().services.MatchString(name):
		reason = "is a service of the system or of a well-known program"
	case len(name) < 3 || judge(name, false).worth == plain:
		reason = "its name is one that clean programs use"
	default:
		reason = unwritable(name)
	}
	if reason != "" {
		c.leaveOut(Service, evidence, reason)
		return false
	}
	c.add(Indicator{
		Kind: Service, Confidence: 65, Why: "a service that it set up", Evidence: []string{evidence},
		Tests: []Test{{"ServiceItem/name", "is", "string", name}},
		stix:  "process:extensions.'windows-service-ext'.service_name = " + stixText(name),
	})
	return true
}
