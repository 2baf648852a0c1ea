// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/flow/rest"
	"github.com/weir-io/weir/internal/flow/topology"
)

// newFlowAccountCommand returns "weir flow account".
func newFlowAccountCommand() *cobra.Command {
	c := newGroup("account", "Say who may use the virtual networks of the hub on this machine", `Accounts are in the file flow.accounts of the configuration, which a running hub reads
again when it changes. Roles:

  admin         everything
  tenant_admin  everything with what the account's tenants own
  tenant_user   reading of what the account's tenants own
  agent         sending of what the account's host has traced`,
		`  weir flow account add alice --role tenant_admin --tenant red
  weir flow account list
  weir flow account remove alice`)
	var file string
	c.PersistentFlags().StringVar(&file, "accounts", "", "use `FILE`; default: flow.accounts of the configuration")
	c.AddCommand(newFlowAccountAddCommand(&file), newFlowAccountListCommand(&file), newFlowAccountRemoveCommand(&file))
	return c
}

// accountsFile returns the file of accounts of a hub on this machine.
func accountsFile(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	environ := os.Environ()
	cfg, err := config.Load(config.FindFile(environ), environ)
	if err != nil {
		return "", err
	}
	if cfg.Flow.Accounts != "" {
		return cfg.Flow.Accounts, nil
	}
	return filepath.Join(cfg.Hub.StateDir, "flow", "accounts.json"), nil
}

func newFlowAccountAddCommand(file *string) *cobra.Command {
	var a rest.Account
	var role, host string
	var password bool
	c := &cobra.Command{
		Use:   "add NAME --role ROLE [--tenant TENANT]… [--host ID]",
		Short: "Make an account, and print its token",
		Long: `Make an account, and print its token, which does not end and is not kept: the file has its
hash alone. With --password the first line of standard input becomes a password for
POST /midonet-api/login, and no token is made.`,
		Example: `  weir flow account add alice --role tenant_admin --tenant red
  weir flow account add bob --role tenant_user --tenant red --tenant blue --password < secret
  weir flow account add node1 --role agent --host 1c6a…`,
		Args: cobra.ExactArgs(1),
	}
	fl := c.Flags()
	fl.StringVar(&role, "role", "", "`ROLE`: admin, tenant_admin, tenant_user or agent")
	fl.StringArrayVar(&a.Tenants, "tenant", nil, "a `TENANT` of the account; may be repeated")
	fl.StringVar(&host, "host", "", "the `ID` of the host of an agent")
	fl.BoolVar(&password, "password", false, "read a password from standard input")
	mustComplete(c, "role", words([]string{string(rest.Admin), string(rest.TenantAdmin), string(rest.TenantUser), string(rest.Agent)}))
	c.RunE = func(c *cobra.Command, args []string) error {
		a.Name, a.Role = args[0], rest.Role(role)
		if host != "" {
			var err error
			if a.Host, err = topology.ParseID(host); err != nil {
				return usageErrorf("--host: %w", err)
			}
		}
		path, err := accountsFile(*file)
		if err != nil {
			return err
		}
		list, err := rest.ReadAccounts(path)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(o rest.Account) bool { return o.Name == a.Name }) {
			return fmt.Errorf("there is an account %q in %s", a.Name, path)
		}
		token := ""
		if password {
			if a.PasswordHash, err = readPassword(c); err != nil {
				return err
			}
		} else {
			token = rest.NewToken()
			a.TokenHash = rest.HashToken(token)
		}
		if err := rest.WriteAccounts(path, append(list, a)); err != nil {
			return err
		}
		if token != "" {
			_, err = fmt.Fprintln(c.OutOrStdout(), token)
		}
		return err
	}
	return c
}

// readPassword returns the hash of the first line of standard input.
func readPassword(c *cobra.Command) (string, error) {
	s := bufio.NewScanner(c.InOrStdin())
	if !s.Scan() || s.Text() == "" {
		return "", usageErrorf("--password: want a password on the first line of standard input")
	}
	return rest.HashPassword(s.Text())
}

func newFlowAccountListCommand(file *string) *cobra.Command {
	var form flowForm
	c := &cobra.Command{
		Use: "list", Short: "List the accounts", Long: "List the accounts, without their secrets.\nWith --json: an array of objects with name, role, by, tenants, and host of an agent.",
		Example: "  weir flow account list", Args: noArguments,
	}
	form.add(c, "text", "json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := form.check("text", "json"); err != nil {
			return err
		}
		path, err := accountsFile(*file)
		if err != nil {
			return err
		}
		list, err := rest.ReadAccounts(path)
		if err != nil {
			return err
		}
		if form == "json" {
			return writeJSON(c.OutOrStdout(), shownAccounts(list))
		}
		return writeAccounts(c.OutOrStdout(), shownAccounts(list))
	}
	return c
}

// shownAccount is an account without its secrets.
type shownAccount struct {
	Name    string   `json:"name"`
	Role    string   `json:"role"`
	By      []string `json:"by"` // token, password: what it can be known by
	Tenants []string `json:"tenants"`
	Host    string   `json:"host,omitempty"` // of an agent
}

func shownAccounts(list []rest.Account) []shownAccount {
	shown := make([]shownAccount, 0, len(list))
	for _, a := range list {
		s := shownAccount{Name: a.Name, Role: string(a.Role), By: []string{}, Tenants: append([]string{}, a.Tenants...)}
		if a.Token+a.TokenHash != "" {
			s.By = append(s.By, "token")
		}
		if a.Password+a.PasswordHash != "" {
			s.By = append(s.By, "password")
		}
		if a.Role == rest.Agent {
			s.Host = a.Host.String()
		}
		shown = append(shown, s)
	}
	return shown
}

// writeAccounts writes a table of accounts. An agent has a host in place of tenants.
func writeAccounts(w io.Writer, list []shownAccount) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tROLE\tBY\tTENANTS OR HOST")
	for _, a := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", printable(a.Name), a.Role, strings.Join(a.By, ","), printable(strings.Join(a.Tenants, " ")+a.Host))
	}
	return t.Flush()
}

func newFlowAccountRemoveCommand(file *string) *cobra.Command {
	c := &cobra.Command{
		Use: "remove NAME", Short: "Remove an account", Long: "Remove an account. What it has logged in for ends with it.",
		Example: "  weir flow account remove alice", Args: cobra.ExactArgs(1),
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := accountsFile(*file)
		if err != nil {
			return err
		}
		list, err := rest.ReadAccounts(path)
		if err != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(list), func(a rest.Account) bool { return a.Name == args[0] })
		if len(kept) == len(list) {
			return fmt.Errorf("there is no account %q in %s", args[0], path)
		}
		return rest.WriteAccounts(path, kept)
	}
	return c
}
