package facts

// Meaning is what a fact tells.
type Meaning struct {
	// Score is the sub-score, 0 to 100, which is combined as those of findings are.
	Score int
	// Detail says it in a sentence.
	Detail string
}

// Lookup returns the meaning of a fact's id.
func Lookup(id string) (Meaning, bool) {
	m, ok := catalogue[id]
	return m, ok
}

// catalogue holds all facts. docs/sandbox-server.md lists them; a test compares.
var catalogue = map[string]Meaning{
	"name-double-extension": {30, "Its name shows the ending of a document before that of a program."},
	"name-hides-program":    {35, "It is called a document or picture and is a program."},

	"pe-packer":         {20, "A section bears the name of a packer."},
	"pe-packed-code":    {20, "Its code is compressed or encrypted."},
	"pe-writable-code":  {15, "A section can be written and run."},
	"pe-entry-outside":  {25, "It starts outside of its code."},
	"pe-few-imports":    {15, "It hides what it uses: it imports hardly more than what finds functions at run time."},
	"pe-injects":        {30, "It imports what writes code into another process and starts it there."},
	"pe-fetches-runs":   {30, "It imports what fetches a file from the network and what starts programs."},
	"pe-logs-keys":      {20, "It imports what reads the keyboard of other programs."},
	"pe-packed-overlay": {10, "Compressed or encrypted data follow the program."},
	"pe-damaged":        {10, "Its headers contradict themselves."},

	"elf-no-sections":     {20, "It has no section headers: somebody removed them."},
	"elf-writable-code":   {20, "A segment can be written and run."},
	"elf-packer":          {25, "It bears the mark of a packer."},
	"elf-packed-code":     {20, "Its code is compressed or encrypted."},
	"elf-entry-outside":   {25, "It starts outside of its code."},
	"elf-odd-interpreter": {25, "It is loaded by something that does not lie where loaders lie."},
	"elf-odd-libraries":   {20, "It takes libraries from folders that anybody can write."},
	"elf-runs-memory":     {20, "It imports what runs a program from memory, without a file."},
	"elf-damaged":         {10, "Its headers contradict themselves."},

	"script-fetches-runs":    {45, "It fetches something from the network and runs it."},
	"script-decodes-runs":    {45, "It decodes something and runs it."},
	"script-reverse-shell":   {60, "It hands a shell to another computer."},
	"script-encoded-command": {30, "It starts PowerShell with an encoded command."},
	"script-hides-window":    {15, "It hides its window."},
	"script-disarms":         {40, "It switches protection off."},
	"script-destroys":        {50, "It deletes what a computer could be restored from."},
	"script-persists":        {25, "It sees to being started again."},
	"script-hides-traces":    {25, "It removes traces: logs, its own file, the history."},
	"script-base64-blob":     {10, "It carries a long encoded blob."},

	"office-macros":          {15, "The document has macros."},
	"office-macro-starts":    {25, "A macro starts by itself when the document is opened or closed."},
	"office-macro-runs":      {35, "A macro runs programs or fetches files."},
	"office-remote-template": {35, "The document loads a template or object from another computer."},
	"office-dde":             {35, "A field of the document starts a program."},
	"rtf-object-runs":        {35, "An embedded object is loaded without being asked."},
	"rtf-equation":           {40, "An embedded object is one of the equation editor, whose weakness is abused."},

	"pdf-script":        {15, "The document has JavaScript."},
	"pdf-script-starts": {25, "Something in the document starts when it is opened."},
	"pdf-launches":      {40, "The document starts a program."},
	"pdf-hidden-names":  {20, "Names that run something are written so that they are not recognised."},

	"lnk-runs-interpreter": {35, "The shortcut starts a command interpreter."},
	"lnk-fetches":          {25, "The shortcut's command refers to the network."},
	"lnk-hidden-arguments": {25, "The shortcut pads its command so that it is not seen."},
}
