// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

// Long names of the options, as lttng-relayd's command line and the keys of
// its INI files spell them.
const (
	optControlPort  = "control-port"
	optDataPort     = "data-port"
	optLivePort     = "live-port"
	optDynamicPorts = "dynamic-port-allocation"
	optOutput       = "output"
	optGroupByHost  = "group-output-by-host"
	optGroupBySess  = "group-output-by-session"
	optWorkingDir   = "working-directory"
	optNoClear      = "disallow-clear"
	optFDPoolSize   = "fd-pool-size"
	optGroup        = "group"
	optDaemonize    = "daemonize"
	optBackground   = "background"
	optPIDFile      = "pid-file"
	optSigParent    = "sig-parent"
	optConfig       = "config"
	optVerbose      = "verbose"
	optVersion      = "version"
	optHelp         = "help"
	optHTTP         = "http"
	optWeirConfig   = "weir-config"
	optDataUDP      = "data-udp"
	optHopListen    = "hop-listen"
	optHopAllow     = "hop-allow"
)

// Flag describes one option for help, manual page and completion.
type Flag struct {
	Long  string // without the dashes
	Short byte   // 0: no short form
	Arg   string // name of the argument, "" for a switch
	Usage string // one sentence, without the default
	// Default is the value used when the option is absent, as text; "" when
	// absence is the default itself.
	Default string
	// Own marks options that lttng-relayd does not have. They take no part in
	// abbreviations of lttng-relayd's options, so that a script's `--w DIR`
	// still means --working-directory.
	Own bool
}

// Flags returns every option in the order of the help text.
func Flags() []Flag {
	return []Flag{
		{
			Long: optControlPort, Short: 'C', Arg: "URL", Default: defaultControlURL,
			Usage: "Listen for control connections of producers on URL.",
		},
		{
			Long: optDataPort, Short: 'D', Arg: "URL", Default: defaultDataURL,
			Usage: "Listen for data connections of producers on URL.",
		},
		{
			Long: optLivePort, Short: 'L', Arg: "URL", Default: defaultLiveURL,
			Usage: "Listen for live viewers on URL.",
		},
		{
			Long:  optDynamicPorts,
			Usage: "Let the system choose each port that is missing or 0; the port files tell which.",
		},
		{
			Long: optOutput, Short: 'o', Arg: "DIR", Default: "$LTTNG_HOME/lttng-traces",
			Usage: "Write traces below the absolute path DIR, created when missing.",
		},
		{
			Long: optGroupByHost, Short: 'p',
			Usage: "Group trace directories by host name (default).",
		},
		{
			Long: optGroupBySess, Short: 's',
			Usage: "Group trace directories by session name.",
		},
		{
			Long: optWorkingDir, Short: 'w', Arg: "DIR",
			Usage: "Change to DIR when started.",
		},
		{
			Long: optNoClear, Short: 'x',
			Usage: "Refuse to clear sessions.",
		},
		{
			Long: optFDPoolSize, Arg: "COUNT", Default: "the soft limit of open files less 10",
			Usage: "Keep at most COUNT descriptors open, from 100 up to the soft limit of open files.",
		},
		{
			Long: optGroup, Short: 'g', Arg: "NAME", Default: defaultTracingGroup,
			Usage: "Let members of the Unix group NAME use the health socket (root only).",
		},
		{
			Long: optDaemonize, Short: 'd',
			Usage: "Go to the background and leave the console; return when every port listens.",
		},
		{
			Long: optBackground, Short: 'b',
			Usage: "Go to the background and keep the console; return when every port listens.",
		},
		{
			Long: optPIDFile, Short: 'P', Arg: "PATH",
			Usage: "Write the process id to PATH when ready, remove it at exit.",
		},
		{
			Long: optSigParent, Short: 'S',
			Usage: "Send SIGUSR1 to the parent process when ready.",
		},
		{
			Long: optConfig, Short: 'f', Arg: "PATH",
			Usage: "Read the INI file PATH after the default ones.",
		},
		{
			Long: optVerbose, Short: 'v',
			Usage: "Say more on standard error; up to three times.",
		},
		{Long: optVersion, Short: 'V', Usage: "Print the version and exit."},
		{Long: optHelp, Short: 'h', Usage: "Print this help and exit."},
		{
			Long: optHTTP, Arg: "ADDR", Default: defaultHTTP, Own: true,
			Usage: "Serve health, metrics and the REST interface on ADDR; none turns it off.",
		},
		{
			Long: optWeirConfig, Arg: "FILE", Own: true,
			Usage: "Read weir's own configuration (TOML) from FILE; options that are given win.",
		},
		{
			Long: optDataUDP, Own: true,
			Usage: "Take packets by UDP, too, on the port for data, from producers of weir that ask for it.",
		},
		{
			Long: optHopListen, Arg: "ADDR", Own: true,
			Usage: "Pass connections to ADDR (HOST:PORT) on to other relays, as their first line says.",
		},
		{
			Long: optHopAllow, Arg: "LIST", Own: true,
			Usage: "Pass connections on to the places in LIST only: HOST:PORT or CIDR:PORT, separated by commas.",
		},
	}
}

// ignoredInFile tells the keys that an INI file may hold without effect.
func ignoredInFile(key string) bool {
	return key == optHelp || key == optConfig || key == optVersion
}
