package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/place"
	"tyto/detect"
	"tyto/sandbox"
	"tyto/sandbox/jail"
	"tyto/sandbox/static"
)

// serveFlags are the flags of `tyto sandbox serve`.
type serveFlags struct {
	listen, data string
	engines      []string
	rules, ioc   []string
	cert, key    string
	clientCA     string
	names        []string
	insecureHTTP bool
	limits       sandbox.Limits
	jailTime     time.Duration
	sample, disk byteSize
	resultDays   int
	verbose      bool
}

// newSandboxServe returns the command that is a sandbox server.
func newSandboxServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Be a sandbox: take samples, judge them, answer agents",
		Long: `Runs a sandbox server until it is told to stop (Ctrl-C, SIGTERM). Agents send programs and documents
to it and get verdicts and reports; its REST API is that of Kaspersky Sandbox with a few calls more.

Engines look at each sample:

  static   rules, indicators and the structure of the file; runs nothing; for samples of any system
  jail     runs Linux programs and scripts for a few seconds, without network, and watches what they do

Without --engine it uses all that work on this computer, and says which do not.

It speaks TLS. Without --cert it makes an authority and a certificate of its own when it is started for the
first time. At each start it says what agents have to know. Status page: the server's address in a browser.

A sample is kept until there is a verdict, a verdict until rules or engines change. Who can reach the
server can send samples and read verdicts; --client-ca limits that to those who have a certificate.`,
		Example: `  tyto sandbox serve
  tyto sandbox serve --listen :8443 --name sandbox.example.org --rules rules/
  tyto sandbox serve --listen :8443 --cert tls/server.pem --key tls/server-key.pem --client-ca tls/ca.pem`,
		Args: argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return f.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.define(cmd)
	return cmd
}

func (f *serveFlags) define(cmd *cobra.Command) {
	f.sample, f.disk = sandbox.MaxSample, 2<<30
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8443", "listen at `HOST:PORT`; \":8443\" is all addresses of this computer")
	flags.StringVar(&f.data, "data", defaultSandboxData(), "keep samples, results and certificates in `DIR`")
	flags.StringSliceVar(&f.engines, "engine", nil, "engines that look at samples: static, jail; default is all that work here")
	flags.StringArrayVar(&f.rules, "rules", nil, "YARA rules beside the built-in ones, `PATH` of a file or folder")
	flags.StringArrayVar(&f.ioc, "ioc", nil, "indicators, `PATH` of a file or folder")
	flags.StringVar(&f.cert, "cert", "", "the server's certificate, PEM `FILE`")
	flags.StringVar(&f.key, "key", "", "its key, PEM `FILE`; default is the one beside it, NAME-key.pem")
	flags.StringVar(&f.clientCA, "client-ca", "", "let in only who has a certificate of this authority, PEM `FILE`")
	flags.StringArrayVar(&f.names, "name", nil, "host name or address by which it is reached, for the certificate that is made at the first start")
	flags.BoolVar(&f.insecureHTTP, "insecure-http", false, "speak plain HTTP; only on a loopback address")
	flags.IntVar(&f.limits.Parallel, "parallel", 0, "samples looked at at a time; 0 is one for two processors")
	flags.DurationVar(&f.jailTime, "jail-time", jail.DefaultTime, "how long the jail lets a sample run")
	flags.DurationVar(&f.limits.SampleTime, "sample-time", 10*time.Minute, "longest time for one sample")
	flags.Var(&f.sample, "max-sample", "largest sample")
	flags.IntVar(&f.limits.Waiting, "queue", 100, "tasks that may wait; more are refused with \"request queue full\"")
	flags.Var(&f.disk, "disk", "what samples may take on disk together")
	flags.IntVar(&f.limits.Results, "results", 10_000, "verdicts that are kept")
	flags.IntVar(&f.resultDays, "result-days", 30, "days for which they are kept")
	flags.IntVar(&f.limits.Connections, "connections", 256, "connections at a time")
	flags.IntVar(&f.limits.ClientConnections, "client-connections", 32, "connections of one address at a time")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log in all detail")
}

// defaultSandboxData is a folder beside the agent's: both may run on one computer, and neither looks into the
// other's.
func defaultSandboxData() string {
	getenv := func(name string) string {
		if name == place.DataVariable {
			return "" // names the agent's
		}
		return os.Getenv(name)
	}
	return place.Default(getenv).Data + "-sandbox"
}

func (f *serveFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	log := f.logger(stderr)
	f.data = absolute(f.data) // engines run elsewhere
	if err := place.MakeDir(f.data); err != nil {
		return usageError{err: err, hint: "or name another folder with --data"}
	}
	release, err := place.Hold(f.data)
	if err != nil {
		return usageError{err: err, hint: "a second sandbox needs its own --data"}
	}
	defer release()
	id, err := f.identity(time.Now())
	if err != nil {
		return err
	}
	set, err := f.load(ctx, log, stderr)
	if err != nil {
		return err
	}
	defer set.Close()
	options, err := f.options(ctx, set, log)
	if err != nil {
		return err
	}
	options.Notes = id.notes
	box, err := sandbox.Open(options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return usageError{err: fmt.Errorf("listen: %w", err), hint: "name another address with --listen"}
	}
	id.announce(stdout, listener.Addr(), box.Database(), options.Engines)
	return box.Serve(ctx, listener, id.tls)
}

func (f *serveFlags) check() error {
	host, _, err := net.SplitHostPort(f.listen)
	switch {
	case err != nil:
		return usagef("such as 127.0.0.1:8443 or :8443", "%q is no address to listen at: %v", f.listen, err)
	case f.insecureHTTP && !loopback(host):
		return usagef("leave it out: a certificate is made at the first start", "--insecure-http is for loopback addresses only, not for %q", f.listen)
	case f.insecureHTTP && (f.cert != "" || f.clientCA != "" || len(f.names) > 0):
		return usagef("leave one of them out", "--insecure-http uses no certificates")
	case f.cert == "" && f.key != "":
		return usagef("name the certificate with --cert", "--key without --cert")
	case f.jailTime <= 0 || f.jailTime > jail.MaxTime || f.jailTime >= f.limits.SampleTime:
		return usagef("such as --jail-time 30s", "--jail-time must be above zero, at most %v, and less than --sample-time", jail.MaxTime)
	}
	if err := f.checkLimits(); err != nil {
		return err
	}
	f.limits.Sample, f.limits.Disk = int64(f.sample), int64(f.disk)
	f.limits.ResultAge = time.Duration(f.resultDays) * 24 * time.Hour
	return nil
}

// longestDays bounds --result-days: a duration holds 292 years.
const longestDays = 36_500

// checkLimits refuses what would be taken for a default, or as no limit at all.
func (f *serveFlags) checkLimits() error {
	for _, limit := range []struct {
		flag  string
		value int64
		least int64
	}{
		{"max-sample", int64(f.sample), 1},
		{"disk", int64(f.disk), int64(f.sample)},
		{"sample-time", int64(f.limits.SampleTime), 1},
		{"queue", int64(f.limits.Waiting), 1},
		{"results", int64(f.limits.Results), 1},
		{"result-days", int64(f.resultDays), 1},
		{"parallel", int64(f.limits.Parallel), 0},
		{"connections", int64(f.limits.Connections), 1},
		{"client-connections", int64(f.limits.ClientConnections), 1},
	} {
		if limit.value < limit.least {
			return usagef("see \"tyto sandbox serve --help\"", "--%s is too little: limits must be above zero, and --disk at least --max-sample", limit.flag)
		}
	}
	if f.resultDays > longestDays {
		return usagef(fmt.Sprintf("at most --result-days %d", longestDays), "--result-days is too much")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// logger writes what an operator of a server wants to know.
func (f *serveFlags) logger(w io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// load loads the built-in rules and those that were named.
func (f *serveFlags) load(ctx context.Context, log *slog.Logger, stderr io.Writer) (*detect.Set, error) {
	set, err := loadSet(ctx, detect.Options{
		Rules: append([]string{detect.Builtin}, f.rules...), Indicators: f.ioc, CacheDir: filepath.Join(f.data, "rules"),
		Compile: compileCommandLine(), Now: time.Now(), Log: log,
	})
	if err == nil {
		printProblems(stderr, set.Problems, true)
	}
	return set, err
}

// options says how the sandbox works.
func (f *serveFlags) options(ctx context.Context, set *detect.Set, log *slog.Logger) (sandbox.Options, error) {
	o := sandbox.Options{Dir: f.data, Product: "Tyto " + buildVersion(), Limits: f.limits, Log: log}
	looker, err := static.New(static.Options{
		Rules: set.Rules, Indicators: set.Indicators, IndicatorVersion: set.IndicatorSummary.Version, Log: log,
	})
	if err != nil {
		return o, err
	}
	o.Identify = looker.Identify
	// The engines that there are, in the order in which they look. A new one is entered here.
	makers := []engineMaker{
		{looker.Name(), func() (sandbox.Engine, error) { return looker, nil }},
		{jail.Name, func() (sandbox.Engine, error) { return f.jail(ctx, log) }},
	}
	o.Engines, err = f.makeEngines(makers, log)
	return o, err
}

// engineMaker is an engine that can be chosen.
type engineMaker struct {
	name string
	make func() (sandbox.Engine, error)
}

// jail returns the engine that runs samples.
func (f *serveFlags) jail(ctx context.Context, log *slog.Logger) (sandbox.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	return jail.New(ctx, jail.Options{Tracer: []string{self, "sandbox", tracerCommand}, Time: f.jailTime, Log: log})
}

// makeEngines makes the engines that were named, which must work; if none was, all that do.
func (f *serveFlags) makeEngines(makers []engineMaker, log *slog.Logger) ([]sandbox.Engine, error) {
	var engines []sandbox.Engine
	for _, m := range makers {
		if len(f.engines) > 0 && !slices.Contains(f.engines, m.name) {
			continue
		}
		engine, err := m.make()
		switch {
		case err == nil:
			engines = append(engines, engine)
		case len(f.engines) > 0:
			return nil, usageError{err: fmt.Errorf("the engine %s does not work here: %w", m.name, err), hint: "mend that, or leave the engine out"}
		default:
			log.Warn("an engine does not work here, samples are looked at without it", "engine", m.name, "error", err)
		}
	}
	for _, name := range f.engines {
		if !slices.ContainsFunc(makers, func(m engineMaker) bool { return m.name == name }) {
			return nil, usagef("there are: static, jail", "there is no engine %q", name)
		}
	}
	return engines, nil
}
