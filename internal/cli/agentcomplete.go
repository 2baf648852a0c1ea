// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// completeTimeout is how long a shell waits for names.
const completeTimeout = time.Second

// completer gives words that may stand where the cursor is.
type completer = func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// mustComplete registers the completion of a flag that the command has.
func mustComplete(c *cobra.Command, flag string, f completer) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("cli: " + err.Error())
	}
}

// completing makes a completer of a question to the daemon. Where there is no
// answer, there are no words: a shell must not print errors while one types.
func completing(ask func(ctx context.Context, api *agent.Client, c *cobra.Command, toComplete string) ([]string, error)) completer {
	return func(c *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		socket := ""
		if f := c.Flags().Lookup("socket"); f != nil {
			socket = f.Value.String()
		}
		api := agent.New(socket)
		defer api.Close()
		words, err := ask(ctx, api, c, toComplete)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// firstOnly completes the first argument only.
func firstOnly(f completer) completer {
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, toComplete)
	}
}

// completeSessions gives the names of sessions.
func completeSessions(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completing(func(ctx context.Context, api *agent.Client, _ *cobra.Command, _ string) ([]string, error) {
		all, err := api.Sessions(ctx)
		var names []string
		for _, s := range all {
			names = append(names, s.Name)
		}
		return names, err
	})(c, args, toComplete)
}

// completeChannels gives the names of the session's channels.
func completeChannels(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completing(func(ctx context.Context, api *agent.Client, c *cobra.Command, _ string) ([]string, error) {
		name, err := completedSession(c)
		if err != nil {
			return nil, err
		}
		s, err := api.Session(ctx, name)
		var names []string
		for _, d := range s.Domains {
			for _, ch := range d.Channels {
				names = append(names, ch.Name)
			}
		}
		return names, err
	})(c, args, toComplete)
}

// completedSession returns the session of the command line as it is so far.
func completedSession(c *cobra.Command) (string, error) {
	if f := c.Flags().Lookup("session"); f != nil && f.Value.String() != "" {
		return f.Value.String(), nil
	}
	return readCurrentSession(os.Getenv)
}

// completeEvents gives the names of events: with --stat those of sections and of
// their events, with --syscall system calls, else tracepoints.
func completeEvents(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completing(func(ctx context.Context, api *agent.Client, c *cobra.Command, toComplete string) ([]string, error) {
		if f := c.Flags().Lookup("stat"); f != nil && f.Value.String() == "true" {
			all, err := api.StatEvents(ctx, toComplete+"*", false)
			return statNames(all), err
		}
		if f := c.Flags().Lookup("userspace"); f != nil && f.Value.String() == "true" {
			all, err := api.UserEvents(ctx, toComplete+"*", false)
			return userNames(all), err
		}
		for _, domain := range []string{domainPython, domainJUL, domainLog4j} {
			if f := c.Flags().Lookup(domain); f != nil && f.Value.String() == "true" {
				all, err := api.Loggers(ctx, domain)
				return loggerNames(all), err
			}
		}
		kind := agent.Tracepoint
		if f := c.Flags().Lookup("syscall"); f != nil && f.Value.String() == "true" {
			kind = agent.Syscall
		}
		all, err := api.KernelEvents(ctx, toComplete+"*", kind, false)
		return eventNames(all), err
	})(c, args, toComplete)
}

// completeContexts gives the types of contexts.
func completeContexts(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completing(func(ctx context.Context, api *agent.Client, c *cobra.Command, _ string) ([]string, error) {
		if f := c.Flags().Lookup("userspace"); f != nil && f.Value.String() == "true" {
			return api.UserContexts(ctx)
		}
		return api.KernelContexts(ctx)
	})(c, args, toComplete)
}

// completeTriggers gives the names of triggers.
func completeTriggers(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	return completing(func(ctx context.Context, api *agent.Client, _ *cobra.Command, _ string) ([]string, error) {
		all, err := api.Triggers(ctx)
		var names []string
		for _, t := range all {
			names = append(names, t.Name)
		}
		return names, err
	})(c, args, toComplete)
}
