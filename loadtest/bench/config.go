// Package bench is the command "shoal bench": it finds out what a server serves, makes the requests, runs the scenario that
// was asked for and reports.
package bench

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"shoal/loadtest/bodies"
)

// Config is a command line.
type Config struct {
	Targets   []string
	Model     string
	Version   int64
	Label     string
	Signature string
	API       string
	Insecure  bool
	Remote    bool
	Key       string // "": none is sent

	Rate     float64
	Constant bool
	Clients  int
	Duration time.Duration
	Requests uint64
	Warmup   time.Duration
	Timeout  time.Duration
	Threads  int
	Seed     uint64

	Body      string
	Instances string
	Unknown   int
	Bodies    int
	Check     string

	FindMax bool
	P99     time.Duration
	Curve   bool
	Compare bool
	Rounds  int

	JSON string
	HTML string

	Tool    string   // the program and its version, for the report
	Command []string // as typed, for the report

	sizes bodies.Sizes
}

// checkFirst is what --check without a file stands for.
const checkFirst = "first"

const (
	defaultClients     = 64
	defaultOpenClients = 256
)

// Register adds the flags to fs, bound to c.
func (c *Config) Register(fs *pflag.FlagSet) {
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	fs.SortFlags = false
	fs.StringVar(&c.Model, "model", "", "the model's `NAME`; may be left out where the server has one model only")
	fs.Int64Var(&c.Version, "model-version", 0, "the `VERSION`; 0: the newest")
	fs.StringVar(&c.Label, "label", "", "the version's `LABEL`")
	fs.StringVar(&c.Signature, "signature", "", "the signature's `NAME`; the default one otherwise")
	fs.StringVar(&c.API, "api", "", "rest or grpc; by default as the address says: http://… and host:port are rest, grpc://… is grpc")
	fs.BoolVar(&c.Insecure, "insecure", false, "do not verify the server's certificate (https://, grpcs://)")
	fs.StringVar(&c.Key, "api-key", "", "the `KEY` of a server that asks for one; SHOAL_API_KEY is safer: other users can see command lines")
	fs.BoolVar(&c.Remote, "remote", false, "allow another machine than this one as the target")

	fs.Float64Var(&c.Rate, "rate", 0, "open loop: requests per second, sent whatever the server does")
	fs.BoolVar(&c.Constant, "constant", false, "even gaps between an open loop's requests instead of random ones (Poisson)")
	fs.IntVar(&c.Clients, "clients", 0, "closed loop: clients that each wait for their answer, 64 by default; in an open loop the most requests under way, 256")
	fs.DurationVar(&c.Duration, "duration", 10*time.Second, "of a run, warm-up included")
	fs.Uint64Var(&c.Requests, "requests", 0, "end a run after so many; 0: only the duration ends it")
	fs.DurationVar(&c.Warmup, "warmup", time.Second, "the beginning of a run that is not measured")
	fs.DurationVar(&c.Timeout, "timeout", 10*time.Second, "of a request")
	fs.IntVar(&c.Threads, "threads", 0, "the generator's threads for REST; 0: one for every four processors")
	fs.Uint64Var(&c.Seed, "seed", 1, "of the made-up values and of the gaps")

	fs.StringVar(&c.Body, "body", "", "`FILE` with the request: JSON, JSON lines, or a recorded log (TFRecords of PredictionLog)")
	fs.StringVar(&c.Instances, "instances", "1", "made-up instances per request: 8, 1-64, or with weights 1:0.9,32:0.1")
	fs.IntVar(&c.Unknown, "unknown-dim", 1, "made-up size of dimensions that the signature leaves open, other than the first")
	fs.IntVar(&c.Bodies, "bodies", 128, "how many different requests are made up and sent in turn")
	fs.StringVar(&c.Check, "check", "", "check answers: against `FILE`, or bare against the first answer to the same body")
	fs.Lookup("check").NoOptDefVal = checkFirst

	fs.BoolVar(&c.FindMax, "find-max", false, "search for the highest rate that meets --p99")
	fs.DurationVar(&c.P99, "p99", 0, "the objective: 99% of the requests are answered well within this time; 20ms for a search")
	fs.BoolVar(&c.Curve, "curve", false, "search, then walk from 10% to 120% of the rate found (of --rate, if given)")
	fs.BoolVar(&c.Compare, "compare", false, "run two targets in turns and give ratios with intervals")
	fs.IntVar(&c.Rounds, "rounds", 6, "of --compare")

	fs.StringVar(&c.JSON, "json", "", "write the report as JSON to `FILE`")
	fs.StringVar(&c.HTML, "html", "", "write the report as one page to `FILE`")
}

// Validate fills in what depends on other flags and lists every fault.
func (c *Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if want := 1 + b2i(c.Compare); len(c.Targets) != want {
		fault("%d target(s) are needed, as http://localhost:8501 or localhost:8500: got %d", want, len(c.Targets))
	}
	if c.FindMax && c.Compare || c.Curve && c.Compare {
		fault("--compare does not go with --find-max and --curve")
	}
	if c.Rate < 0 || c.Clients < 0 || c.Duration <= 0 || c.Timeout <= 0 || c.Rounds < 1 || c.Bodies < 1 || c.Bodies > 1_000_000 {
		fault("--rate and --clients must not be negative; --duration, --timeout, --rounds and --bodies must be positive")
	}
	if c.Clients == 0 {
		if c.Clients = defaultClients; c.open() {
			c.Clients = defaultOpenClients
		}
	}
	if c.Clients > 20_000 {
		fault("--clients=%d: at most 20000", c.Clients)
	}
	if c.Warmup < 0 || c.Warmup >= c.Duration {
		fault("--warmup=%v must be shorter than --duration=%v, of which it is a part", c.Warmup, c.Duration)
	}
	if c.P99 == 0 && (c.FindMax || c.Curve) {
		c.P99 = 20 * time.Millisecond
	}
	if c.Version != 0 && c.Label != "" {
		fault("give --model-version or --label, not both")
	}
	var err error
	if c.sizes, err = bodies.ParseSizes(c.Instances); err != nil {
		fault("--instances: %w", err)
	}
	for _, t := range c.Targets {
		if a, err := parseAddress(t, c.API); err != nil {
			faults = append(faults, err)
		} else if !c.Remote && !a.loopback() {
			fault("%s is another machine: --remote allows that", t)
		}
	}
	return errors.Join(faults...)
}

// open reports whether the runs are open loops.
func (c *Config) open() bool { return c.Rate > 0 || c.FindMax || c.Curve }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// address is a target as given on the command line.
type address struct {
	api  string // rest or grpc
	tls  bool
	host string // host:port
	path string // of a server that is none of TensorFlow Serving's kind: where to POST to
}

func parseAddress(text, api string) (address, error) {
	a := address{api: "rest"}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return a, fmt.Errorf("%q is no address: write http://localhost:8501 or localhost:8500", text)
	}
	switch u.Scheme {
	case "http":
	case "https":
		a.tls = true
	case "grpc", "grpcs":
		a.api, a.tls = "grpc", u.Scheme == "grpcs"
	default:
		return a, fmt.Errorf("%q: the scheme is http, https, grpc or grpcs", text)
	}
	switch api {
	case "", a.api:
	case "grpc", "rest":
		a.api = api
	default:
		return a, fmt.Errorf("--api=%s: rest or grpc", api)
	}
	if a.host = u.Host; u.Port() == "" {
		port := map[bool]string{false: "80", true: "443"}[a.tls]
		if a.api == "grpc" {
			port = "8500"
		}
		a.host = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Path != "/" {
		a.path = u.RequestURI()
	}
	if u.Path == "" {
		a.path = ""
	}
	return a, nil
}

func (a address) loopback() bool {
	host, _, _ := net.SplitHostPort(a.host)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// base is the URL without a path.
func (a address) base() string {
	if a.tls {
		return "https://" + a.host
	}
	return "http://" + a.host
}
