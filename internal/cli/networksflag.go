// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/flow"
	"github.com/weir-io/weir/internal/config"
)

// tokenVariable has the token where no flag does. It is none of the configuration's.
const tokenVariable = "WEIR_TOKEN"

// networksFlag is the hub whose networks a command is about, and who asks.
type networksFlag struct{ url, token string }

// addNetworks adds the flags to a command and all below it.
func addNetworks(c *cobra.Command) *networksFlag {
	n := new(networksFlag)
	c.PersistentFlags().StringVar(&n.url, "api", flow.DefaultURL, "`URL` of the hub")
	c.PersistentFlags().StringVar(&n.token, "token", "", "ask with `TOKEN`; default: $"+tokenVariable+", else that of the administrator of a hub on this machine")
	return n
}

// with calls do with a client and a context that ends with SIGINT or SIGTERM.
func (n *networksFlag) with(c *cobra.Command, do func(context.Context, *flow.Client) error) error {
	token, err := n.find()
	if err != nil {
		return err
	}
	api, err := flow.New(n.url, token)
	if err != nil {
		return usageErrorf("--api: %w", err)
	}
	defer api.Close()
	ctx, stop := untilSignal(c)
	defer stop()
	return do(ctx, api)
}

// find returns the token to ask with.
func (n *networksFlag) find() (string, error) {
	if n.token != "" {
		return n.token, nil
	}
	if token := os.Getenv(tokenVariable); token != "" {
		return token, nil
	}
	environ := os.Environ()
	cfg, err := config.Load(config.FindFile(environ), environ)
	if err != nil {
		return "", err
	}
	file := filepath.Join(cfg.Hub.StateDir, "flow", "token")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usageErrorf("no token: want --token or $%s; there is none of a hub on this machine in %s", tokenVariable, file)
	}
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
