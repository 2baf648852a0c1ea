// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/gdamore/tcell/v2"
	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/hoststat/monitor"
	"github.com/weir-io/weir/internal/hoststat/page"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/screen"
)

// topFlags are the flags of "weir top".
type topFlags struct {
	watchFlags
	ascii, noColor, vi, batch bool
	history                   int
}

// newTopCommand returns "weir top".
func newTopCommand() *cobra.Command {
	var f topFlags
	c := &cobra.Command{
		Use:   "top [flags] [HOST]...",
		Short: "Watch hosts on the terminal",
		Long: `Watch hosts with a statistics daemon ("weir xmlsysd", or the xmlsysd of 2002) on
the terminal: those named, such as node[01-16] or gpu1:7888, else those that the
hub of --hub knows, else those in the wulfhosts file, else those of a hub on this
machine, else this one. Hosts of a hub come and go as they register. The program
answers to the name wulfstat as well.

The key h shows all keys. Views are load, virtual memory, memory, network,
system, processes, disks, file systems, pressure stalls, sensors, users and
alarms; Enter shows all of a host. Alarms are in the wulfhosts file.

The file is read anew on SIGHUP and when it has changed. NO_COLOR and TERM are
honoured.`,
		Example: `  weir top
  weir top -t vm -d 1 node[01-16]
  weir top --hub https://hub.example:9348
  weir top -f wulfhosts --on-alarm /usr/local/bin/tell`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f.add(c)
	fs := c.Flags()
	fs.BoolVar(&f.ascii, "ascii", false, "draw with ASCII alone")
	fs.BoolVar(&f.noColor, "no-color", false, "use no colours")
	fs.BoolVar(&f.vi, "vi", false, "j and k move; views by Shift and their letters, too, and o shows processes")
	fs.IntVar(&f.history, "history", poll.PointCount, "keep `N` points of history of each host at the period, and twice as many by minute; 0: none")
	fs.BoolVarP(&f.batch, "batch", "b", false, "print pages like weir stat instead of drawing")
	c.RunE = func(c *cobra.Command, args []string) error {
		economize()
		return f.run(c, args)
	}
	return c
}

func (f *topFlags) run(c *cobra.Command, hosts []string) error {
	if f.batch {
		s := statFlags{watchFlags: f.watchFlags, format: string(page.Plain)}
		return s.run(c, hosts)
	}
	if _, _, err := f.table(""); err != nil {
		return err
	}
	// What would be logged would be drawn over: alarms are on the screen.
	m, err := f.open(hosts, io.Discard, func(o *monitor.Options) {
		if o.History = f.history; f.history <= 0 {
			o.History = -1 // the monitor's word for it
		}
	})
	if err != nil {
		return err
	}
	view, options, err := f.table(m.File.View)
	if err != nil {
		return err
	}
	terminal, err := tcell.NewScreen()
	if err != nil {
		return errors.Join(err, errors.New("weir stat prints without a terminal"))
	}
	ctx, stop := untilSignal(c)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	jobs := make(chan os.Signal, 4)
	signal.Notify(jobs, syscall.SIGTSTP, syscall.SIGCONT)
	defer signal.Stop(jobs)
	return runMonitor(ctx, m, reload, func(ctx context.Context) error {
		return screen.Run(ctx, terminal, m.Cluster, screen.Options{
			View: view, Table: options, Count: f.count, ASCII: f.ascii, ViKeys: f.vi,
			Plain: f.noColor || os.Getenv("NO_COLOR") != "", Suspend: stopProcess, Signals: jobs,
			Save: func(name string) (io.WriteCloser, error) {
				return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			},
		})
	})
}

// stopProcess stops the process group as the terminal would, until it is
// continued. This thread may still run for a moment when it has stopped itself: what
// counts is that it is told to go on.
func stopProcess() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(0, syscall.SIGSTOP) == nil {
		<-continued
	}
}

// wulfstat is the whole program when it is called by that name.
func wulfstat(args []string, stdout, stderr io.Writer) int {
	return Main(append([]string{"weir", "top"}, args...), stdout, stderr)
}
