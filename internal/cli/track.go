// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// anyOne stands for a list of processes or users that was not given.
const anyOne = "*"

// trackFlags are the flags of "weir track" and "weir untrack".
type trackFlags struct {
	domain           domainFlags
	pid, uid, gid    trackList
	vpid, vuid, vgid trackList
	all              bool

	open []*trackList // those whose value is an argument, in order
}

// trackList is a list of processes, users or groups. The value may also be the argument
// behind the flag, as LTTng has it: "--vpid 7 --vuid root".
type trackList struct {
	flags *trackFlags
	given bool
	text  string
}

// String returns the list.
func (l *trackList) String() string { return l.text }

// Type is what the usage calls it.
func (l *trackList) Type() string { return "string" }

// Set takes a value, or takes note that it is the next argument.
func (l *trackList) Set(text string) error {
	l.given = true
	if text == anyOne {
		l.flags.open = append(l.flags.open, l)
		return nil
	}
	l.text = strings.TrimPrefix(l.text+","+text, ",")
	return nil
}

// newTrackCommand returns "weir track".
func newTrackCommand() *cobra.Command {
	return trackCommand("track", "Record only some processes or users",
		`Restrict what a session records to processes, with all their threads and what
they fork, or to users and groups, by those that a thread really has. Which
these are is looked up when events of the kernel are read: of a thread that has
ended by then they may not be known. Applications (-u) have the numbers with
which they have registered. The first one restricts the session to itself,
further ones add to it. With -a, and --pid, --uid or --gid to choose which, all
are recorded again. What is tracked already stays so: that is a warning (exit
code 4).`,
		"  weir track -k --pid 2345,2346\n  weir track -u --vpid 2345 --vuid postgres\n  weir track -k --pid -a",
		"%s added to what session %s tracks", (*agent.Client).Track)
}

// newUntrackCommand returns "weir untrack".
func newUntrackCommand() *cobra.Command {
	return trackCommand("untrack", "Do not record some processes or users any more",
		`Remove processes or users from those that a session records. With -a none of
them is left, until "weir track" adds some.`,
		"  weir untrack -k --pid 2345\n  weir untrack -k --pid -a",
		"%s removed from what session %s tracks", (*agent.Client).Untrack)
}

func trackCommand(use, short, long, example, text string, do func(*agent.Client, context.Context, string, agent.Track) (agent.Done, error)) *cobra.Command {
	var f trackFlags
	c := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions}
	fl := c.Flags()
	f.domain.add(fl)
	for _, o := range []struct {
		to                *trackList
		name, short, text string
	}{
		{&f.pid, "pid", "p", "processes, by their `PID,...`"},
		{&f.uid, "uid", "", "users, by name or number: `USER,...`"},
		{&f.vpid, "vpid", "", "of -u: processes, by their `PID,...` here or in their own name space"},
		{&f.vuid, "vuid", "", "of -u: users, `USER,...`, as --uid"},
		{&f.gid, "gid", "", "groups, by name or number: `GROUP,...`"},
		{&f.vgid, "vgid", "", "of -u: groups, `GROUP,...`, as --gid"},
	} {
		o.to.flags = &f
		fl.VarP(o.to, o.name, o.short, o.text)
		fl.Lookup(o.name).NoOptDefVal = anyOne
	}
	fl.BoolVarP(&f.all, "all", "a", false, "all processes or users")
	return agentCommand(c, true, func(c *agentCall) error {
		orders, err := f.requests(c.args)
		if err != nil {
			return err
		}
		name, err := c.current()
		if err != nil {
			return err
		}
		for _, r := range orders {
			done, err := do(c.api, c.ctx, name, r)
			if err != nil {
				return err
			}
			c.did(name, done)
			c.say(text, trackText(r), name)
		}
		return nil
	})
}

// requests reads the flags, and the arguments that are their values. All of something
// takes a request for each.
func (f *trackFlags) requests(args []string) ([]agent.Track, error) {
	domain, err := f.domain.one()
	if err != nil {
		return nil, err
	}
	if err := f.fill(args); err != nil {
		return nil, err
	}
	if err := f.virtual(domain); err != nil {
		return nil, err
	}
	var all []agent.Track
	lists := false
	for _, a := range f.attributes() {
		if a.list.given {
			all = append(all, agent.Track{Domain: domain, All: true, Of: a.of})
		}
		lists = lists || a.list.text != ""
	}
	switch {
	case len(all) == 0:
		return nil, usageErrorf("want --pid, --uid or --gid")
	case f.all && lists:
		return nil, usageErrorf("-a and a list exclude each other")
	case f.all:
		return all, nil
	case len(f.open) > 0:
		return nil, usageErrorf("want a list, or -a")
	}
	r := agent.Track{Domain: domain}
	if err := f.lists(&r); err != nil {
		return nil, err
	}
	return []agent.Track{r}, nil
}

// fill gives the flags without a value their arguments.
func (f *trackFlags) fill(args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(f.open) == 1: // "--pid 7 8"
		args = []string{strings.Join(args, ",")}
	case len(args) > len(f.open):
		return usageErrorf("unexpected argument %q", args[len(f.open)])
	case len(args) < len(f.open):
		return usageErrorf("a list has no value: want one behind each, or -a for all of them")
	}
	for i, a := range args {
		if err := f.open[i].Set(a); err != nil {
			return err
		}
	}
	f.open = nil
	return nil
}

// virtual takes the numbers that LTTng has for applications, which are the only ones
// there.
func (f *trackFlags) virtual(domain string) error {
	if domain != domainUST {
		if f.vpid.given || f.vuid.given || f.vgid.given {
			return agent.NewProblem(agent.CodeNotSupported, "only --pid, --uid and --gid are supported in this domain")
		}
		return nil
	}
	for _, o := range []struct {
		to, from *trackList
		name     string
	}{{&f.pid, &f.vpid, "pid"}, {&f.uid, &f.vuid, "uid"}, {&f.gid, &f.vgid, "gid"}} {
		if o.to.given && o.from.given {
			return usageErrorf("--%s and --v%s are the same with -u", o.name, o.name)
		}
		if o.from.given {
			*o.to = *o.from
		}
	}
	return nil
}

// attribute is one of those by which processes are tracked.
type attribute struct {
	of   agent.TrackOf
	list *trackList
}

func (f *trackFlags) attributes() []attribute {
	return []attribute{{"", &f.pid}, {agent.TrackUID, &f.uid}, {agent.TrackGID, &f.gid}}
}

func (f *trackFlags) lists(r *agent.Track) error {
	if f.pid.given {
		for _, text := range splitNames(f.pid.text) {
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 0 {
				return usageErrorf("--pid and --vpid: want numbers of processes, got %q", text)
			}
			r.PIDs = append(r.PIDs, int32(n))
		}
	}
	for _, l := range []struct {
		list   trackList
		number func(string) (int64, error)
		to     *[]int64
	}{{f.uid, userNumber, &r.UIDs}, {f.gid, groupNumber, &r.GIDs}} {
		if !l.list.given {
			continue
		}
		for _, text := range splitNames(l.list.text) {
			id, err := l.number(text)
			if err != nil {
				return err
			}
			*l.to = append(*l.to, id)
		}
	}
	return nil
}

// groupNumber finds a group by number or name.
func groupNumber(text string) (int64, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return int64(n), nil
	}
	g, err := user.LookupGroup(text)
	if err != nil {
		return 0, usageErrorf("--gid: %w", err)
	}
	n, err := strconv.ParseInt(g.Gid, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("group %s has number %q: %w", text, g.Gid, err)
	}
	return n, nil
}

// userNumber finds a user by number or name.
func userNumber(text string) (int64, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return int64(n), nil
	}
	u, err := user.Lookup(text)
	if err != nil {
		return 0, usageErrorf("--uid: %w", err)
	}
	n, err := strconv.ParseInt(u.Uid, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("user %s has number %q: %w", text, u.Uid, err)
	}
	return n, nil
}

func trackText(r agent.Track) string {
	switch {
	case r.All && r.Of == agent.TrackUID:
		return "all users"
	case r.All && r.Of == agent.TrackGID:
		return "all groups"
	case r.All:
		return "all"
	}
	var parts []string
	for _, p := range r.PIDs {
		parts = append(parts, fmt.Sprintf("process %d", p))
	}
	for _, u := range r.UIDs {
		parts = append(parts, fmt.Sprintf("user %d", u))
	}
	for _, g := range r.GIDs {
		parts = append(parts, fmt.Sprintf("group %d", g))
	}
	return strings.Join(parts, ", ")
}
