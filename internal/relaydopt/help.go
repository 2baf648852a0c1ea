// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"fmt"
	"strings"
)

// Name is the program this package's options belong to.
const Name = "lttng-relayd"

// Description explains the daemon in plain text: paragraphs, indented examples.
const Description = `Receive trace data from LTTng session and consumer daemons over the network,
write it to the local file system, and serve it to live viewers.

The options, files and environment variables are those of lttng-relayd, and long
options may be shortened to any unique prefix. Called by a name that contains
lttng-relayd, weir takes them without a command in front. Arguments that are no
options are ignored.

Configuration files are read in this order, later ones win, the command line
last: /etc/lttng/lttng.conf, $LTTNG_HOME/.lttng/lttng.conf, the file of --config.
Of a file only the section [relayd] counts; a key is the long name of an option,
a switch takes yes or no:

    [relayd]
    live-port=tcp://0.0.0.0:5344
    disallow-clear=yes

A key or value that cannot be used is reported and skipped. A grouping option may
be given once in all of files and command line.

A URL is tcp://HOST:PORT, tcp4:// for IPv4 and tcp6:// for IPv6. HOST is a name or
an address, IPv6 in brackets; PORT may be left out.

The run directory is $LTTNG_RUNDIR, else /var/run/lttng for root, else
$LTTNG_HOME/.lttng. Its directory relayd holds health-PID, the socket for health
checks, and control.port, data.port and live.port with the number of each port.
All are removed at exit.

SIGTERM and SIGINT stop the relay when what was received is written. SIGHUP and
SIGPIPE have no effect.`

// exitStatus is the text about the exit status.
const exitStatus = `The exit status is 0 after a stop by signal, --help and --version, and 1 after any
failed start, such as a bad option, a port in use, or an output directory that
cannot be made. With --daemonize and --background the status tells whether every
port listens.`

// Long returns the text of the manual page beside the options: description,
// exit status and environment.
func Long() string {
	var b strings.Builder
	b.WriteString(Description + "\n\n" + exitStatus + "\n\nEnvironment:\n\n")
	writeVariables(&b)
	return strings.TrimRight(b.String(), "\n")
}

// variables returns the environment variables with one sentence each.
func variables() [][2]string {
	return [][2]string{
		{envHome, "Home of LTTng's files: output, run directory, configuration. Default: $HOME."},
		{envRunDir, "Run directory."},
		{envDisallowClear, "1: as --disallow-clear, which wins."},
		{envWorkingDir, "Directory to change to; --working-directory wins."},
		{envHealth, "Path of the health socket."},
		{envKeepAlive, "1: probe idle control and data connections (TCP keep-alive)."},
		{envKeepAliveIdle, "Seconds of silence before the first probe; 0 or -1: the system's."},
		{envKeepAliveProbe, "Seconds between probes; 0 or -1: the system's."},
		{envKeepAliveCount, "Probes without answer until a connection is dropped; 0 or -1: the system's."},
		{envSocketTimeout, "Checked, and without effect: weir never waits for a single peer."},
	}
}

// Help returns the text of --help.
func Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s [OPTION]...\n\n%s\n\nOptions:\n", Name, Description)
	for _, f := range Flags() {
		writeFlag(&b, f)
	}
	b.WriteString("\nEnvironment:\n")
	writeVariables(&b)
	b.WriteString("\n" + exitStatus + "\n")
	return b.String()
}

func writeVariables(b *strings.Builder) {
	for _, v := range variables() {
		fmt.Fprintf(b, "  %s\n", v[0])
		writeIndented(b, v[1])
	}
}

func writeFlag(b *strings.Builder, f Flag) {
	short := "    "
	if f.Short != 0 {
		short = fmt.Sprintf("-%c, ", f.Short)
	}
	arg := ""
	if f.Arg != "" {
		arg = "=" + f.Arg
	}
	fmt.Fprintf(b, "  %s--%s%s\n", short, f.Long, arg)
	text := f.Usage
	if f.Default != "" {
		text += " Default: " + f.Default + "."
	}
	writeIndented(b, text)
}

// writeIndented wraps text at 76 columns behind ten blanks.
func writeIndented(b *strings.Builder, text string) {
	const indent, width = "          ", 76
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
