// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/mirror"
)

// mirrorFlags are the flags of "weir mirror".
type mirrorFlags struct {
	opts                         mirror.Options
	once, verify, dryRun, forget bool
	status, repair, anew         bool
	logLevel                     string
	bandwidth                    sizeFlag
}

// newMirrorCommand returns "weir mirror".
func newMirrorCommand() *cobra.Command {
	var m mirrorFlags
	c := &cobra.Command{
		Use:   "mirror SOURCE TARGET",
		Short: "Keep a directory as an exact copy of another",
		Long: `Copy a directory, and then follow its changes by a feed until the command is
interrupted. The copy has the same names, hard links, contents, owners, modes, extended
attributes, access control lists and times; it is equal when the source has come to rest
and the command is level with the feed. A command that was killed goes on where it was; an
agent that was stopped or killed it waits for, unless it is to end by itself.

With --socket and the address of another host's agent, as
http://127.0.0.1:9347/api/v1/hosts/web1 through a hub, the source is on that host: run
the command where the copy is to be. It needs a token with the scope feed:admin in
WEIR_FEED_TOKEN. --verify and --dry-run compare directories of one host.

The target is on any file system but FAT. What belongs to the mirror is in
its directory .weir-mirror; lost+found at the roots, and what is mounted in the source,
are left out. The command stops, and says why, when somebody else has changed the target,
and does so again each time that it is started, until it is told to --take-over or to
--verify --repair: it removes nothing that it has not made unless it is told to.
Contents that are changed through memory maps only are noticed when
the file is closed, or by the agent's daily look at the disk; --verify finds them.

Where the target should have a copy and has none, as when its file system is not mounted,
the command refuses to copy all into what is there instead, until it is told to
--begin-anew.

What the target cannot have is left out, and the rest goes on: names that its kind of
file system refuses or takes for the same, devices where none may be made, and what
has failed three times, as names and directories of the source that cannot be read.
--status lists them; they are tried again every minute.`,
		Example: `  weir mirror /srv /backup/srv
  weir mirror --once /srv /backup/srv
  weir mirror --verify /srv /backup/srv
  weir mirror --verify --repair /srv /backup/srv
  weir mirror --take-over /srv /backup/srv
  weir mirror --status /srv /backup/srv
  weir mirror --socket http://127.0.0.1:9347/api/v1/hosts/web1 /srv /backup/web1`,
		Args: cobra.ExactArgs(2),
	}
	f := c.Flags()
	f.BoolVar(&m.once, "once", false, "end when the target has all that the feed has")
	f.BoolVar(&m.verify, "verify", false, "compare source and target completely, print what differs, and end")
	f.BoolVar(&m.repair, "repair", false, "with --verify: make what differs equal, and verify again; no mirror may be running")
	f.BoolVar(&m.dryRun, "dry-run", false, "print what would be made equal, and change nothing")
	f.BoolVar(&m.status, "status", false, "print how far the mirror has come, and what its target cannot have")
	f.BoolVar(&m.forget, "forget", false, "end the mirror for good: remove its feed and its directory, keep the copy; with --take-over also what others have put in parked directories")
	f.BoolVar(&m.opts.Adopt, "adopt", false, "take a target that is not empty; what only it has stays until --repair removes it; a name that both have stops the mirror, or is replaced with --take-over")
	f.BoolVar(&m.anew, "begin-anew", false, "copy all again where the agent has the feed of a mirror that the target does not have")
	f.BoolVar(&m.opts.TakeOver, "take-over", false, "replace what others have changed in the target where that is in the way, rather than stop; a mirror that has stopped goes on")
	f.BoolVar(&m.opts.NoOwner, "no-owner", false, "leave owners out")
	f.BoolVar(&m.opts.NoXattr, "no-xattr", false, "leave extended attributes out, and access control lists with them")
	f.Var(&m.bandwidth, "bwlimit", "copy so many bytes of contents a second at most, as 10M")
	f.StringVar(&m.logLevel, "log-level", "warn", "log from `LEVEL` on: debug, info, warn or error")
	return feedCommandIf(c, func() bool { return (!m.verify || m.repair) && !m.dryRun && !m.status }, func(call *feedCall) error { return m.run(call) })
}

// run mirrors, or does what the flags ask for instead.
func (m *mirrorFlags) run(call *feedCall) error {
	o := &m.opts
	o.Bandwidth = int64(m.bandwidth)
	var err error
	if o.Source, err = filepath.Abs(call.args[0]); err != nil {
		return err
	}
	if o.Target, err = filepath.Abs(call.args[1]); err != nil {
		return err
	}
	if m.repair && (!m.verify || m.dryRun) {
		return usageErrorf("--repair goes with --verify, and without --dry-run")
	}
	switch {
	case m.repair:
		return m.verifyAndRepair(call)
	case m.verify, m.dryRun:
		return m.compare(call)
	case m.status:
		return m.printStatus(call)
	case m.forget:
		return m.end(call)
	}
	if o.Log, err = newLogger(call.cmd.ErrOrStderr(), m.logLevel, "text"); err != nil {
		return usageErrorf("%w", err)
	}
	return m.follow(call)
}

// compare prints what differs.
func (m *mirrorFlags) compare(call *feedCall) error {
	_, n, err := m.differences(call)
	if err != nil {
		return err
	}
	if n > 0 && m.verify {
		return fmt.Errorf("source and target differ in %s", placesText(n))
	}
	if n == 0 {
		m.tellEqual(call)
	}
	return nil
}

// placesText is how people read in how many places two directories differ.
func placesText(n int) string {
	if n == 1 {
		return "1 place"
	}
	return fmt.Sprintf("%d places", n)
}

func (m *mirrorFlags) tellEqual(call *feedCall) {
	if call.json {
		return
	}
	fmt.Fprintln(call.cmd.OutOrStdout(), "source and target are equal")
	if unit := mirror.TimeUnit(m.opts.Target); unit > 1 {
		fmt.Fprintf(call.cmd.OutOrStdout(), "times were compared to %v: the target has no more exact ones\n", unit)
	}
}

// verifyAndRepair makes what differs equal; what differs then is an error.
func (m *mirrorFlags) verifyAndRepair(call *feedCall) (err error) {
	if call.api.Remote() {
		return usageErrorf("--verify compares directories of one host")
	}
	id, err := mirror.StoredFeed(m.opts.Target)
	if err != nil {
		return err
	}
	if id == "" {
		return fmt.Errorf("target %s is no mirror; make it one with --adopt", m.opts.Target)
	}
	if m.opts.Log, err = newLogger(call.cmd.ErrOrStderr(), m.logLevel, "text"); err != nil {
		return usageErrorf("%w", err)
	}
	m.opts.TakeOver = true // whoever repairs has read what differs
	for before := math.MaxInt; ; {
		some, n, err := m.differences(call)
		switch {
		case err != nil:
			return err
		case n == 0:
			m.tellEqual(call)
			return nil
		case n >= before:
			return fmt.Errorf("source and target differ in %s still", placesText(n))
		}
		before = n
		err = m.withMirror(call, func(mi *mirror.Mirror) error {
			if err := mi.Repair(call.ctx, some); err != nil {
				return err
			}
			return mi.Run(call.ctx, true)
		})
		if err != nil {
			return err
		}
		if n == len(some) {
			return m.compare(call)
		}
	}
}

// repairedAtOnce is how many differences are repaired before source and target are compared
// again: the more there are, the more memory they take.
const repairedAtOnce = 100_000

// differences prints what differs, and returns the first of that and how much it is.
func (m *mirrorFlags) differences(call *feedCall) (some []mirror.Difference, n int, err error) {
	var printErr error
	err = mirror.Compare(call.ctx, m.opts, func(d mirror.Difference) {
		if n++; n <= repairedAtOnce {
			some = append(some, d)
		}
		if call.json {
			printErr = errors.Join(printErr, call.print(d))
			return
		}
		fmt.Fprintf(call.cmd.OutOrStdout(), "%s: %s\n", printable(d.Path), printable(d.What))
	})
	return some, n, errors.Join(err, printErr)
}

// printStatus prints what the mirror has told of itself, running or not.
func (m *mirrorFlags) printStatus(call *feedCall) error {
	s, err := mirror.ReadStatus(m.opts.Target)
	if err != nil {
		return err
	}
	if call.json {
		return call.print(s)
	}
	w := call.cmd.OutOrStdout()
	fmt.Fprintf(w, "mirror of %s by feed %s, as of %s\n", printable(s.Source), s.Feed, s.Updated.Local().Format(time.DateTime))
	fmt.Fprintln(w, progressText(&s.Progress))
	if s.Stopped != "" {
		fmt.Fprintln(w, "stopped:", printable(s.Stopped))
	}
	for _, t := range s.Troubles {
		fmt.Fprintf(w, "%s: %s: %s\n", t.Kind, printable(t.Path), printable(t.Error))
	}
	return nil
}

// end removes what the mirror has beside the copy.
func (m *mirrorFlags) end(call *feedCall) error {
	id, err := mirror.StoredFeed(m.opts.Target)
	if err != nil {
		return err
	}
	if err := m.refuseOtherSource(call); err != nil {
		return err
	}
	if id != "" && !m.opts.TakeOver {
		if err := refuseForeign(m.opts.Target); err != nil {
			return err
		}
	}
	if !mirror.Begun(m.opts.Target) {
		if info, err := call.api.Info(call.ctx, mirrorName(call, m.opts.Target)); err == nil {
			return fmt.Errorf("target %s: no mirror is there: is its file system mounted? If it is no more, \"weir feed destroy %s\" removes the mirror's feed", m.opts.Target, info.ID)
		}
	}
	if id != "" {
		err = call.api.Destroy(call.ctx, id)
		if err != nil && !errors.Is(err, &feed.Error{Code: feed.CodeNotFound}) {
			return err
		}
	}
	return mirror.Forget(m.opts.Target)
}

// refuseOtherSource keeps the mirror of another source from being forgotten. That may be gone
// by now: what the mirror has told of it counts.
func (m *mirrorFlags) refuseOtherSource(call *feedCall) error {
	told, err := mirror.ReadStatus(m.opts.Target)
	if err != nil || told.Source == m.opts.Source || !call.api.Remote() && sameDirectory(told.Source, m.opts.Source) {
		return nil
	}
	return fmt.Errorf("target %s is a mirror of %s, not of %s", m.opts.Target, told.Source, m.opts.Source)
}

// refuseForeign keeps a mirror from being forgotten with files of others.
func refuseForeign(target string) error {
	path, err := mirror.Foreign(target)
	if err != nil || path == "" {
		return err
	}
	return fmt.Errorf("target %s: others have put that in a directory which the source does not have any more: move it away, or have it removed with --take-over", path)
}

// follow copies until the call's end.
func (m *mirrorFlags) follow(call *feedCall) error {
	show := &mirrorProgress{w: call.cmd.ErrOrStderr(), json: call.json, out: call}
	m.opts.Progress = show.show
	return m.withMirror(call, func(mi *mirror.Mirror) error { return mi.Run(call.ctx, m.once) })
}

// withMirror opens the mirror and its feed.
func (m *mirrorFlags) withMirror(call *feedCall, do func(*mirror.Mirror) error) error {
	n := &mirrorFeed{call: call}
	if call.api.Remote() { // before the places are looked at: the source is not one of this host
		m.opts.Agent, m.opts.Await = call.api, n.await
	}
	info, err := m.feed(call)
	if err != nil {
		return err
	}
	open := func(api *feed.Client) (*feed.Consumer, error) {
		return api.Open(call.ctx, info.ID, feed.OpenOptions{Steal: api.Remote()})
	}
	if !m.once && !m.repair {
		n.reopen = open
	}
	m.opts.UUID, m.opts.FeedID, m.opts.Feed = info.Source, info.ID, n
	m.opts.Part = info.Part != ""
	mi, err := mirror.Open(call.ctx, m.opts)
	if err != nil {
		return m.unlessInterrupted(call, err)
	}
	// From here on nobody else has the target. So who reads its feed from another host is a
	// mirror that was killed, which the agent does not know yet.
	n.Consumer, err = open(call.api)
	if err != nil {
		return errors.Join(err, mi.Close())
	}
	defer n.Close()
	err = m.unlessInterrupted(call, do(mi))
	return errors.Join(err, mi.Close())
}

// unlessInterrupted is the error of a mirror: to be interrupted is how it ends, but not where it
// was to end by itself, and what waits for that has to know.
func (m *mirrorFlags) unlessInterrupted(call *feedCall, err error) error {
	switch {
	case call.ctx.Err() == nil:
		return err
	case m.once || m.repair:
		return errors.New("interrupted: the target has not all that the source has; the next call goes on")
	}
	return nil
}

// mirrorProgress shows how far a mirror has come, not more often than people read.
type mirrorProgress struct {
	w     io.Writer
	out   *feedCall
	json  bool
	shown time.Time
}

// progressEvery is how often progress is shown.
const progressEvery = time.Second

func (p *mirrorProgress) show(s mirror.Progress) {
	if time.Since(p.shown) < progressEvery && (s.Directories > 0 || s.Amid) || p.w == nil {
		return
	}
	p.shown = time.Now()
	switch {
	case p.json:
		_ = p.out.print(s) // the command ends by its signal, not by its reader
	default:
		fmt.Fprintln(p.w, progressText(&s))
	}
}

// progressText is how people read how far a mirror has come.
func progressText(s *mirror.Progress) string {
	if s.Directories > 0 || s.Amid {
		return fmt.Sprintf("copying: %d objects made, %s copied, %d names looked at, %d directories to go on with, %d left out",
			s.Created, sizeText(s.Copied), s.Looked, s.Directories, s.Trouble)
	}
	return fmt.Sprintf("level with record %d: %d objects made, %s copied, %d parked, %d to be retried, %d left out, %s behind",
		s.Through, s.Created, sizeText(s.Copied), s.Staged, s.Retry, s.Trouble, s.Lag.Round(time.Millisecond))
}

// sizeText is a number of bytes as people read it.
func sizeText(n uint64) string {
	const step = 1024
	units := "kMGT"
	if n < step {
		return fmt.Sprintf("%d bytes", n)
	}
	v, u := float64(n)/step, 0
	for v >= step && u < len(units)-1 {
		v, u = v/step, u+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[u])
}
