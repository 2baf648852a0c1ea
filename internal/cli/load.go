// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// loadFlags are the flags of "weir load".
type loadFlags struct {
	all, force                bool
	input, name, overrideName string
	url                       string
	spool                     bool
	stateDir                  string
}

// newLoadCommand returns "weir load".
func newLoadCommand() *cobra.Command {
	var f loadFlags
	c := &cobra.Command{
		Use:   "load [SESSION]",
		Short: "Make saved sessions again",
		Long: `Make sessions again from files of "weir save", or of "lttng save" (.lttng): one
that is named, or all. A session that was being recorded is started.

Sessions whose traces went to a directory of their own get a new one.

With --spool it lists the traces of packets that no relay had got when their
session ended, and with --override-url it sends those of the name that is given, or
all, to a relay, and removes what that has confirmed: to weir's relay that they were
for only what it has not got, where the rest of the session is, to another one each as
a session of its own. This needs no session daemon.`,
		Example: "  weir load demo\n  weir load -i backup -a -f\n  weir load demo --override-url net://192.168.1.10",
		Args:    cobra.MaximumNArgs(1),
	}
	fl := c.Flags()
	fl.BoolVarP(&f.all, "all", "a", false, "all sessions (default)")
	fl.BoolVarP(&f.force, "force", "f", false, "destroy sessions of the same names first")
	fl.StringVarP(&f.input, "input-path", "i", "", "load from `PATH`, a file or a directory; default: ~/.config/weir/sessions")
	fl.StringVar(&f.overrideName, "override-name", "", "give the session this `NAME`")
	fl.BoolVar(&f.spool, "spool", false, "packets that were kept for a relay")
	fl.StringVar(&f.stateDir, "state-dir", stateDir(), "state directory `DIR` of the session daemon, with --spool")
	fl.StringVar(&f.url, "override-url", "", "send the session's data to `URL`")
	return agentCommand(c, false, f.run)
}

func (f *loadFlags) run(c *agentCall) error {
	if len(c.args) > 0 {
		f.name = c.args[0]
	}
	switch {
	case f.all && f.name != "":
		return usageErrorf("-a and a session exclude each other")
	case f.spool && (f.force || f.input != "" || f.overrideName != ""):
		return usageErrorf("--spool goes with --override-url and --state-dir only")
	case f.spool:
		return f.loadSpool(c)
	}
	uris, err := (&uriFlags{}).parse(c, f.url)
	if err != nil {
		return err
	}
	chosen, err := f.choose()
	if err != nil {
		return err
	}
	names := []string{}
	for _, saved := range chosen {
		l := loading{call: c, saved: saved, name: saved.Session.Name, uris: uris}
		if f.overrideName != "" {
			l.name = f.overrideName
			c.say("Session name overridden with %s", l.name)
		}
		if len(uris) > 0 {
			c.say("Session output url overridden with %s", agent.FormatURIs(uris))
		}
		for _, text := range saved.skipped {
			c.warn("session %s: %s", saved.Session.Name, text)
		}
		if err := l.run(f.force); err != nil {
			return fmt.Errorf("load session %s: %w", l.name, err)
		}
		c.say("Session %s has been loaded successfully", l.name)
		names = append(names, l.name)
	}
	c.set("sessions", names)
	if len(names) == 0 {
		return nil
	}
	return writeCurrentSession(os.Getenv, names[len(names)-1])
}

// choose reads the sessions that are to be loaded.
func (f *loadFlags) choose() ([]savedSession, error) {
	path, err := savedDirectory(os.Getenv, f.input)
	if err != nil {
		return nil, err
	}
	files, err := findSaved(path)
	if err != nil {
		return nil, err
	}
	var chosen []savedSession
	for _, file := range files {
		all, err := readSaved(file)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if f.name == "" || s.Session.Name == f.name {
				chosen = append(chosen, s)
			}
		}
	}
	if len(chosen) == 0 && f.name != "" {
		return nil, agent.NewProblem(agent.CodeSessionNotFound, fmt.Sprintf("load: session %s is not saved at %s", f.name, path))
	}
	if f.overrideName != "" && len(chosen) != 1 {
		return nil, usageErrorf("--override-name: want one session, there are %d", len(chosen))
	}
	return chosen, nil
}

// loading makes one session.
type loading struct {
	call  *agentCall
	saved savedSession
	name  string
	uris  []agent.URI // instead of the saved ones
}

// run makes the session whole, or not at all.
func (l *loading) run(force bool) error {
	c := l.call
	if force {
		_, err := c.api.DestroySession(c.ctx, l.name, true)
		if p, ok := errors.AsType[*agent.Problem](err); err != nil && !(ok && p.Code == agent.CodeSessionNotFound) {
			return err
		}
	}
	request, err := l.request()
	if err != nil {
		return err
	}
	_, done, err := c.api.CreateSession(c.ctx, request)
	if err != nil {
		return err
	}
	c.warnings = append(c.warnings, done.Warnings...)
	if err := l.fill(request.URIs); err != nil {
		// The call's context may be what ended it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 10*time.Second)
		defer cancel()
		_, undoErr := c.api.DestroySession(ctx, l.name, false)
		return errors.Join(err, undoErr)
	}
	return nil
}

// ownDirectory is the end of the name of a directory that was made for one
// session.
var ownDirectory = regexp.MustCompile(`-\d{8}-\d{6}$`)

// request makes what creates the session.
func (l *loading) request() (agent.CreateSession, error) {
	s := l.saved.Session
	uris, err := agent.ParseURIs(s.Consumer.URIs)
	if err != nil {
		return agent.CreateSession{}, err
	}
	if len(uris) == 1 && uris[0].DestinationType == agent.DestinationPath && ownDirectory.MatchString(filepath.Base(uris[0].Path)) {
		uris = nil
	}
	if len(l.uris) > 0 {
		uris = l.uris
	}
	if s.Mode == agent.Snapshot || s.Mode == agent.NoOutput {
		uris = nil
	}
	return agent.CreateSession{
		Name: l.name, Mode: s.Mode, LiveTimer: s.LiveTimer, URIs: uris, Home: tracesHome(os.Getenv),
		Hostname: s.Hostname, Clock: s.Clock, Naming: s.Naming, TraceSelf: s.TraceSelf, HashPointers: s.HashPointers,
	}, nil
}

// outputs gives a snapshot session the places that it had. The new one has a directory
// of its own, which goes unless the saved one had such a place.
func (l *loading) outputs() error {
	c := l.call
	own := len(l.saved.Outputs) == 0
	var places []agent.SnapshotOutput
	for _, o := range l.saved.Outputs {
		o.ID = 0
		if len(l.uris) > 0 {
			o.URIs = l.uris
		}
		if len(o.URIs) == 1 && ownDirectory.MatchString(filepath.Base(o.URIs[0].Path)) {
			own = true
			continue
		}
		places = append(places, o)
	}
	if !own {
		if err := c.api.RemoveSnapshotOutput(c.ctx, l.name, "1"); err != nil {
			return err
		}
	}
	for _, o := range places {
		if _, err := c.api.AddSnapshotOutput(c.ctx, l.name, o); err != nil {
			return err
		}
	}
	return nil
}

// fill gives the session all that it had.
func (l *loading) fill(uris []agent.URI) error {
	c, s := l.call, l.saved.Session
	if err := l.outputs(); err != nil {
		return err
	}
	for _, d := range s.Domains {
		if err := l.domain(d); err != nil {
			return err
		}
	}
	if s.Rotation != (agent.RotationSchedule{}) {
		if err := l.did(c.api.EnableRotation(c.ctx, l.name, s.Rotation)); err != nil {
			return err
		}
	}
	if isNetwork(uris) {
		if err := l.did(c.api.EnableConsumer(c.ctx, l.name, s.Consumer.Options)); err != nil {
			return err
		}
	}
	if s.State != agent.Active && s.State != agent.OutputError {
		return nil
	}
	return l.did(c.api.Start(c.ctx, l.name))
}

func (l *loading) did(d agent.Done, err error) error {
	l.call.warnings = append(l.call.warnings, d.Warnings...)
	return err
}

func (l *loading) domain(d agent.Domain) error {
	c := l.call
	for _, ch := range d.Channels {
		if err := l.channel(d.Name, ch); err != nil {
			return err
		}
	}
	// None is what is left when all are taken out.
	for _, none := range []struct {
		is bool
		of agent.TrackOf
	}{
		{d.PIDs != nil && len(d.PIDs) == 0, ""}, {d.UIDs != nil && len(d.UIDs) == 0, agent.TrackUID}, {d.GIDs != nil && len(d.GIDs) == 0, agent.TrackGID},
	} {
		if !none.is {
			continue
		}
		if err := l.did(c.api.Untrack(c.ctx, l.name, agent.Track{Domain: d.Name, All: true, Of: none.of})); err != nil {
			return err
		}
	}
	if len(d.PIDs)+len(d.UIDs)+len(d.GIDs) == 0 {
		return nil
	}
	return l.did(c.api.Track(c.ctx, l.name, agent.Track{Domain: d.Name, PIDs: d.PIDs, UIDs: d.UIDs, GIDs: d.GIDs}))
}

// channel makes a channel as it was. What was disabled is made and disabled.
func (l *loading) channel(domain string, ch agent.Channel) error {
	c := l.call
	if loggerTitles[domain] != "" {
		return l.rules(domain, agent.Channel{Events: ch.Events}) // the channel is that of applications
	}
	if err := l.did(c.api.EnableChannel(c.ctx, l.name, agent.EnableChannel{Domain: domain, Name: ch.Name, ChannelSettings: ch.ChannelSettings})); err != nil {
		return err
	}
	if len(ch.Contexts) > 0 {
		if err := l.did(c.api.AddContext(c.ctx, l.name, agent.AddContext{Domain: domain, Channel: ch.Name, Types: ch.Contexts})); err != nil {
			return err
		}
	}
	if err := l.rules(domain, ch); err != nil || ch.Enabled {
		return err
	}
	return l.did(c.api.DisableChannel(c.ctx, l.name, domain, ch.Name))
}

// rules adds the rules of a channel, and disables those that were. That goes by name and
// kind: others of these are enabled again.
func (l *loading) rules(domain string, ch agent.Channel) error {
	c := l.call
	enable := func(rules []agent.EventRule) error {
		if len(rules) == 0 {
			return nil
		}
		return l.did(c.api.EnableEvents(c.ctx, l.name, agent.EnableEvents{Domain: domain, Channel: ch.Name, Rules: rules}))
	}
	all := slices.Clone(ch.Events)
	for i := range all {
		all[i].Enabled, all[i].FilteredBy, all[i].Matches, all[i].Refused = true, "", 0, 0
	}
	if err := enable(all); err != nil {
		return err
	}
	type name struct {
		kind    agent.EventType
		pattern string
	}
	off := make(map[name]bool)
	for _, r := range ch.Events {
		n := name{r.Type, r.Pattern}
		if r.Enabled || off[n] {
			continue
		}
		off[n] = true
		if err := l.did(c.api.DisableEvents(c.ctx, l.name, agent.DisableEvents{Domain: domain, Channel: ch.Name, Type: r.Type, Patterns: []string{r.Pattern}})); err != nil {
			return err
		}
	}
	var again []agent.EventRule
	for i, r := range ch.Events {
		if r.Enabled && off[name{r.Type, r.Pattern}] {
			again = append(again, all[i])
		}
	}
	return enable(again)
}
