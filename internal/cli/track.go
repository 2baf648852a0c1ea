// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
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
	pid, uid         string
	gid              string
	vpid, vuid, vgid string
	all              bool
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
are recorded again.`,
		"  weir track -k --pid 2345,2346\n  weir track -u --vpid 2345\n  weir track -k --pid -a",
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
		to                *string
		name, short, text string
	}{
		{&f.pid, "pid", "p", "processes, by their `PID,...`"},
		{&f.uid, "uid", "", "users, by name or number: `USER,...`"},
		{&f.vpid, "vpid", "", "of -u: processes, by their `PID,...` here or in their own name space"},
		{&f.vuid, "vuid", "", "of -u: users, `USER,...`, as --uid"},
		{&f.gid, "gid", "", "groups, by name or number: `GROUP,...`"},
		{&f.vgid, "vgid", "", "of -u: groups, `GROUP,...`, as --gid"},
	} {
		fl.StringVarP(o.to, o.name, o.short, "", o.text)
		fl.Lookup(o.name).NoOptDefVal = anyOne
	}
	fl.BoolVarP(&f.all, "all", "a", false, "all processes or users")
	return agentCommand(c, true, func(c *agentCall) error {
		r, err := f.request(c.args)
		if err != nil {
			return err
		}
		name, err := c.current()
		if err != nil {
			return err
		}
		done, err := do(c.api, c.ctx, name, r)
		if err != nil {
			return err
		}
		c.did(name, done)
		c.say(text, trackText(r), name)
		return nil
	})
}

// request reads the flags. Numbers may also follow as an argument: "--pid 7".
func (f *trackFlags) request(args []string) (agent.Track, error) {
	domain, err := f.domain.one()
	if err != nil {
		return agent.Track{}, err
	}
	r := agent.Track{Domain: domain, All: f.all}
	if err := f.virtual(domain); err != nil {
		return r, err
	}
	given, open := 0, 0
	for _, a := range f.attributes() {
		if *a.list != "" {
			given++
			r.Of = a.of
		}
		if *a.list == anyOne {
			open++
		}
	}
	if len(args) > 0 && open == 1 {
		for _, a := range f.attributes() {
			if *a.list == anyOne {
				*a.list = strings.Join(args, ",")
			}
		}
		args, open = nil, 0
	}
	switch {
	case len(args) > 0:
		return r, usageErrorf("unexpected argument %q", args[0])
	case given == 0:
		return r, usageErrorf("want --pid, --uid or --gid")
	case f.all && open < given:
		return r, usageErrorf("-a and a list exclude each other")
	case f.all && given > 1:
		return r, usageErrorf("want -a with one of --pid, --uid and --gid")
	case !f.all && open > 0:
		return r, usageErrorf("want a list, or -a")
	case f.all:
		return r, nil
	}
	r.Of = ""
	return r, f.lists(&r)
}

// virtual takes the numbers that LTTng has for applications, which are the only ones
// there.
func (f *trackFlags) virtual(domain string) error {
	if domain != domainUST {
		if f.vpid+f.vuid+f.vgid != "" {
			return agent.NewProblem(agent.CodeNotSupported, "only --pid, --uid and --gid are supported in this domain")
		}
		return nil
	}
	for _, o := range []struct {
		to, from *string
		name     string
	}{{&f.pid, &f.vpid, "pid"}, {&f.uid, &f.vuid, "uid"}, {&f.gid, &f.vgid, "gid"}} {
		if *o.to != "" && *o.from != "" {
			return usageErrorf("--%s and --v%s are the same with -u", o.name, o.name)
		}
		*o.to = cmp.Or(*o.to, *o.from)
	}
	return nil
}

// attribute is one of those by which processes are tracked.
type attribute struct {
	of   agent.TrackOf
	list *string
}

func (f *trackFlags) attributes() []attribute {
	return []attribute{{"", &f.pid}, {agent.TrackUID, &f.uid}, {agent.TrackGID, &f.gid}}
}

func (f *trackFlags) lists(r *agent.Track) error {
	if f.pid != "" {
		for _, text := range splitNames(f.pid) {
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 0 {
				return usageErrorf("--pid and --vpid: want numbers of processes, got %q", text)
			}
			r.PIDs = append(r.PIDs, int32(n))
		}
	}
	for _, l := range []struct {
		list   string
		number func(string) (int64, error)
		to     *[]int64
	}{{f.uid, userNumber, &r.UIDs}, {f.gid, groupNumber, &r.GIDs}} {
		if l.list == "" {
			continue
		}
		for _, text := range splitNames(l.list) {
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
	if r.All {
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
