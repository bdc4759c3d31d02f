package report

import "time"

// The types in this file are one line of a JSON Lines report. Their tags are the format: names
// outside "tyto" come from the Elastic Common Schema (https://www.elastic.co/docs/reference/ecs),
// those within are ours. docs/report-format.md documents each; change both together, and raise
// Format when an old reader would misunderstand a line.

const (
	// Format is the version of the lines that this package writes, and the newest it reads.
	Format = 1
	// ecsVersion is the version of the schema whose names are used.
	ecsVersion = "8.17.0"
	// MaxLine is the longest line, newline included, that is written or read. Findings that
	// would be longer lose evidence first; see shrink.
	MaxLine = 1 << 20
)

// The actions: what a line tells.
const (
	actionStart   = "start"
	actionFinding = "finding"
	actionSkip    = "skip"
	actionSummary = "summary"
)

type line struct {
	Timestamp time.Time  `json:"@timestamp,omitzero"`
	ECS       ecsMeta    `json:"ecs"`
	Event     eventSet   `json:"event"`
	Message   string     `json:"message,omitempty"`
	Host      hostSet    `json:"host,omitzero"`
	Observer  observer   `json:"observer,omitzero"`
	File      *fileSet   `json:"file,omitempty"`
	Rule      *ruleSet   `json:"rule,omitempty"`
	Threat    *threatSet `json:"threat,omitempty"`
	Related   *related   `json:"related,omitempty"`
	Tyto      tyto       `json:"tyto"`
}

type ecsMeta struct {
	Version string `json:"version"`
}

type eventSet struct {
	Kind      string    `json:"kind"`
	Category  []string  `json:"category"`
	Type      []string  `json:"type"`
	Module    string    `json:"module"`
	Dataset   string    `json:"dataset"`
	Action    string    `json:"action"`
	Outcome   string    `json:"outcome,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Severity  int       `json:"severity,omitempty"`
	RiskScore *float64  `json:"risk_score,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`
	Duration  int64     `json:"duration,omitempty"` // nanoseconds
}

type hostSet struct {
	Name         string `json:"name,omitempty"`
	ID           string `json:"id,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	OS           osSet  `json:"os,omitzero"`
}

type osSet struct {
	Type    string `json:"type,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Kernel  string `json:"kernel,omitempty"`
}

type observer struct {
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
}

type fileSet struct {
	Path       string    `json:"path,omitempty"`
	Name       string    `json:"name,omitempty"`
	Directory  string    `json:"directory,omitempty"`
	Extension  string    `json:"extension,omitempty"`
	Type       string    `json:"type,omitempty"`
	Size       *int64    `json:"size,omitempty"`
	Mode       string    `json:"mode,omitempty"`
	Owner      string    `json:"owner,omitempty"`
	Group      string    `json:"group,omitempty"`
	Device     string    `json:"device,omitempty"`
	Inode      string    `json:"inode,omitempty"`
	Attributes []string  `json:"attributes,omitempty"`
	Mtime      time.Time `json:"mtime,omitzero"`
	Accessed   time.Time `json:"accessed,omitzero"`
	Ctime      time.Time `json:"ctime,omitzero"`
	Created    time.Time `json:"created,omitzero"`
	Hash       hashSet   `json:"hash,omitzero"`
}

type hashSet struct {
	MD5    string `json:"md5,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

type ruleSet struct {
	Name        string `json:"name,omitempty"`
	ID          string `json:"id,omitempty"`
	Category    string `json:"category,omitempty"`
	Description string `json:"description,omitempty"`
	Reference   string `json:"reference,omitempty"`
	Ruleset     string `json:"ruleset,omitempty"`
	Author      string `json:"author,omitempty"`
	Version     string `json:"version,omitempty"`
}

type threatSet struct {
	Indicator indicatorSet `json:"indicator"`
	Feed      feedSet      `json:"feed,omitzero"`
}

type feedSet struct {
	Name string `json:"name,omitempty"`
}

type indicatorSet struct {
	Type        string         `json:"type"`
	ID          string         `json:"id,omitempty"`
	Name        string         `json:"name,omitempty"`
	Description string         `json:"description,omitempty"`
	Reference   string         `json:"reference,omitempty"`
	File        *indicatorFile `json:"file,omitempty"`
}

type indicatorFile struct {
	Hash hashSet `json:"hash"`
}

type related struct {
	Hash []string `json:"hash"`
}

// tyto holds what ECS has no name for.
type tyto struct {
	Format int    `json:"format"`
	Run    string `json:"run,omitempty"`

	Level   string      `json:"level,omitempty"`
	Score   *float64    `json:"score,omitempty"`
	Object  *objectSet  `json:"object,omitempty"`
	Matches []matchLine `json:"matches,omitempty"`
	Cut     *cutLine    `json:"cut,omitempty"`

	PathBase64         string `json:"path_base64,omitempty"`
	OriginalPath       string `json:"original_path,omitempty"`
	OriginalPathBase64 string `json:"original_path_base64,omitempty"`

	Skip    *skipLine    `json:"skip,omitempty"`
	Scan    *scanLine    `json:"scan,omitempty"`
	Summary *summaryLine `json:"summary,omitempty"`
}

type objectSet struct {
	Kind       string            `json:"kind,omitempty"`
	Type       string            `json:"type,omitempty"`
	Links      uint64            `json:"links,omitempty"`
	Attributes []string          `json:"attributes,omitempty"`
	Via        string            `json:"via,omitempty"`
	Deleted    bool              `json:"deleted,omitempty"`
	OddTimes   map[string]string `json:"odd_times,omitempty"`
}

// cutLine says what a line lost to MaxLine.
type cutLine struct {
	Evidence  int  `json:"evidence,omitempty"`
	Matches   int  `json:"matches,omitempty"`
	Text      bool `json:"text,omitempty"` // texts were shortened, maybe the path
	Examples  int  `json:"examples,omitempty"`
	Problems  int  `json:"problems,omitempty"`
	Arguments int  `json:"arguments,omitempty"` // of tyto.scan.paths and command
}

type matchLine struct {
	Kind        string         `json:"kind"`
	Name        string         `json:"name"`
	ID          string         `json:"id,omitempty"`
	Source      string         `json:"source,omitempty"`
	Line        int            `json:"line,omitempty"`
	Description string         `json:"description,omitempty"`
	Score       int            `json:"score"`
	Tags        []string       `json:"tags,omitempty"`
	Meta        []metaLine     `json:"meta,omitempty"`
	Evidence    []evidenceLine `json:"evidence,omitempty"`
	Cut         int            `json:"cut,omitempty"`
}

// metaLine keeps the value as text, so that an index sees one type for all rules.
type metaLine struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Type  string `json:"type,omitempty"` // "integer" or "boolean"; else a string
}

type evidenceLine struct {
	Term     string `json:"term,omitempty"`
	Expected string `json:"expected,omitempty"`
	Offset   *int64 `json:"offset,omitempty"`
	Length   int    `json:"length,omitempty"`
	Hex      string `json:"hex,omitempty"`
	Text     string `json:"text,omitempty"`
}

type skipLine struct {
	Reason  string `json:"reason"`
	Matters bool   `json:"matters"`
	Detail  string `json:"detail,omitempty"`
}

type scanLine struct {
	Paths      []string `json:"paths,omitempty"`
	Command    []string `json:"command,omitempty"`
	Rules      setLine  `json:"rules,omitzero"`
	Indicators setLine  `json:"indicators,omitzero"`
}

type summaryLine struct {
	ExitCode       *int             `json:"exit_code,omitempty"`
	ExitMeaning    string           `json:"exit_meaning,omitempty"`
	Verdict        string           `json:"verdict,omitempty"`
	Threshold      string           `json:"threshold,omitempty"`
	Complete       *bool            `json:"complete,omitempty"`
	Stopped        string           `json:"stopped,omitempty"`
	Active         int64            `json:"active,omitempty"` // nanoseconds
	Objects        int64            `json:"objects"`
	Files          int64            `json:"files"`
	Bytes          int64            `json:"bytes"`
	Findings       map[string]int64 `json:"findings,omitempty"`
	BelowThreshold int64            `json:"below_threshold,omitempty"`
	Trusted        int64            `json:"trusted,omitempty"`
	Recalled       int64            `json:"recalled,omitempty"`
	Gone           int64            `json:"gone,omitempty"`
	Skips          []skipCountLine  `json:"skips,omitempty"`
	SkipLines      int64            `json:"skip_lines,omitempty"`
	Problems       []problemLine    `json:"problems,omitempty"`
	Confinement    []string         `json:"confinement,omitempty"`
}

type skipCountLine struct {
	Reason   string        `json:"reason"`
	Count    int64         `json:"count"`
	Matters  bool          `json:"matters"`
	Examples []exampleLine `json:"examples,omitempty"`
}

type exampleLine struct {
	Path       string `json:"path"`
	PathBase64 string `json:"path_base64,omitempty"`
	Detail     string `json:"detail,omitempty"`
}

type problemLine struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

type setLine struct {
	Files   int    `json:"files,omitempty"`
	Entries int    `json:"entries,omitempty"`
	Broken  int    `json:"broken,omitempty"`
	Version string `json:"version,omitempty"`
}
