// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/hub"
	"github.com/weir-io/weir/internal/identity"
)

// ownHub is the hub of this machine, as who runs it reaches it.
type ownHub struct{ stateDir string }

func (o *ownHub) add(c *cobra.Command) {
	c.Flags().StringVar(&o.stateDir, "state-dir", "", "the hub's state is in `DIR`; default: that of the configuration")
}

// with calls do with a client of the hub's socket.
func (o *ownHub) with(c *cobra.Command, do func(context.Context, *client.Client) error) error {
	dir := o.stateDir
	if dir == "" {
		environ := os.Environ()
		cfg, err := config.Load(config.FindFile(environ), environ)
		if err != nil {
			return err
		}
		dir = cfg.Hub.StateDir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	socket := hub.AdminSocket(dir)
	api := client.NewSocket(socket)
	defer api.Close()
	ctx, stop := untilSignal(c)
	defer stop()
	err = do(ctx, api)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: no hub runs here at which hosts join: it needs hosts.listen in its configuration, and another state directory is named by --state-dir", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: want to be who runs the hub, or root", err)
	}
	return err
}

func newHostsInviteCommand() *cobra.Command {
	var own ownHub
	var r client.InvitationRequest
	var life time.Duration
	var url string
	var monitor, asJSON bool
	c := &cobra.Command{
		Use:   "invite [NAME]",
		Short: "Print what another machine joins the hub by",
		Long: `Print the command by which another machine joins the hub, once: it makes a key there
and gets a certificate for it, and from then on all between the two goes by TLS 1.3.
The token in it tells by which authority the hub is known, so nobody else can be
taken for the hub. Keep it from others: whoever has it first joins.

With NAME the machine is called so, otherwise as it calls itself. With --monitor it
may watch the hosts ("weir top --hub"), and no more.

It is for who runs the hub, on its machine; the hub runs meanwhile, with hosts.listen
in its configuration.
With --json: the invitation, with its token and the URLs of the hub.`,
		Example: `  weir hosts invite
  weir hosts invite node17 --life 24h
  weir hosts invite --monitor`,
		Args: cobra.MaximumNArgs(1),
	}
	own.add(c)
	f := c.Flags()
	f.DurationVar(&life, "life", time.Hour, "the token holds for this `TIME`, up to 720h")
	f.BoolVar(&monitor, "monitor", false, "invite one who watches hosts")
	f.StringVar(&url, "url", "", "`URL` by which the other machine reaches the hub, https://HOST:PORT; default: as this machine finds out")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		if life < time.Second {
			return usageErrorf("--life=%v: want 1s at least", life)
		}
		r.Role, r.Life = string(identity.Host), life.String()
		if monitor {
			r.Role = string(identity.Monitor)
		}
		if len(args) > 0 {
			r.Name = args[0]
		}
		return own.with(c, func(ctx context.Context, api *client.Client) error {
			v, err := api.Invite(ctx, r)
			if err != nil {
				return err
			}
			if url != "" {
				v.Hub = []string{url}
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), v)
			}
			return writeInvitation(c.OutOrStdout(), c.ErrOrStderr(), &v)
		})
	}
	return c
}

// writeInvitation prints the command to paste, and beside it for how long.
func writeInvitation(w, beside io.Writer, v *client.Invitation) error {
	at, command := "https://HUB:PORT", "weir agent --xmlsysd"
	if len(v.Hub) > 0 {
		at = v.Hub[0]
	}
	if v.Role == string(identity.Monitor) {
		command = "weir top"
	}
	if _, err := fmt.Fprintf(w, "%s --hub %s --join %s\n", command, at, v.Token); err != nil {
		return err
	}
	_, err := fmt.Fprintf(beside, "for one machine, until %s\n", v.Expires.Local().Format(time.DateTime))
	return err
}

func newHostsExpelCommand() *cobra.Command {
	var own ownHub
	c := &cobra.Command{
		Use:   "expel NAME",
		Short: "Refuse the certificates of a host or monitor from now on",
		Long: `Refuse all certificates of a host or monitor that has joined, from now on: at the hub
at once, on open connections, too, and at other hosts once they renew their
registration, within 10 s. Its invitations end. It can join again by an invitation
of its name.`,
		Example: "  weir hosts expel node17",
		Args:    cobra.ExactArgs(1),
	}
	own.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return own.with(c, func(ctx context.Context, api *client.Client) error { return api.Expel(ctx, args[0]) })
	}
	return c
}

func newHostsEnrolledCommand() *cobra.Command {
	var own ownHub
	var asJSON bool
	c := &cobra.Command{
		Use:   "enrolled",
		Short: "List the hosts and monitors that have joined the hub",
		Long: `List who has joined the hub by an invitation: name, role, the number of the last
certificate, when that ends, and when it was shown last.
With --json: an array of them, with the hashes of their keys.`,
		Example: "  weir hosts enrolled",
		Args:    noArguments,
	}
	own.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return own.with(c, func(ctx context.Context, api *client.Client) error {
			return listAll(c.OutOrStdout(), api.Enrolments(ctx), asJSON, writeEnrolments)
		})
	}
	return c
}

// writeEnrolments prints the table of "weir hosts enrolled".
func writeEnrolments(w io.Writer, list []client.Enrolment, now time.Time) error {
	t := newTable(w, "NAME", "ROLE", "STATE", "SERIAL", "ENDS", "SEEN")
	for i := range list {
		e := &list[i]
		seen := none
		if !e.Seen.IsZero() {
			seen = ageText(now.Sub(e.Seen))
		}
		t.row(e.Name, e.Role, e.State, e.Serial, e.Ends.Local().Format(time.DateOnly), seen)
	}
	return t.end()
}
