package policy

import (
	"fmt"
	"strings"
)

// exampleHead begins the example, and a new installation's policy.
const exampleHead = `# The policy of the Tyto agent: every setting with its default.
# After a change: tyto policy check, then tyto agent reload (the agent also looks by itself).
# What is not set has its default, so lines that are not needed can be removed. See docs/policy.md.

`

// exampleTasks stands for the default of "tasks", which is none.
const exampleTasks = `tasks: []
# tasks:
#   - id: weekly
#     name: Everything, on Mondays at noon or when the computer is idle next
#     scope:
#       areas: [computer]
#     when:
#       schedule: ["0 12 * * 1"]
#     while:
#       idle: true
`

// Example returns a policy file with every setting, its line of documentation and its default. It says
// the same as an empty file.
func Example() []byte {
	var b strings.Builder
	b.WriteString(exampleHead)
	for i, s := range Settings() {
		if s.Element {
			element(&b, s)
			continue
		}
		depth := strings.Count(s.Path, ".")
		indent := strings.Repeat("  ", depth)
		key := s.Path[strings.LastIndexByte(s.Path, '.')+1:]
		if depth == 0 && i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s# %s\n", indent, s.Doc)
		switch {
		case s.Path == "tasks":
			b.WriteString(exampleTasks)
		case s.Group:
			fmt.Fprintf(&b, "%s%s:\n", indent, key)
		default:
			fmt.Fprintf(&b, "%s%s: %s\n", indent, key, s.Default)
		}
	}
	return []byte(b.String())
}

// element writes a key of a list's elements, all of it as a comment: the list itself is empty.
func element(b *strings.Builder, s Setting) {
	list, key, _ := strings.Cut(s.Path, "[].")
	indent := strings.Repeat("  ", strings.Count(list, "."))
	mark := "  "
	if strings.HasSuffix(b.String(), list[strings.LastIndexByte(list, '.')+1:]+": []\n") {
		mark = "- " // the first of them
	}
	fmt.Fprintf(b, "%s# %s%s: %s  # %s\n", indent, mark, key, s.Default, s.Doc)
}
