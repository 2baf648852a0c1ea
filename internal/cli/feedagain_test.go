// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
)

// TestWorkOutlivesTheAgent runs work on a feed anew for each agent, and once where that is
// asked for.
func TestWorkOutlivesTheAgent(t *testing.T) {
	for _, c := range []struct {
		once        bool
		runs, reads int
		err         string
	}{
		{false, 4, 20, ""},
		{true, 1, 6, "stopped or killed"},
	} {
		a := &fakeAgent{t: t, last: 20, lives: 3}
		runs, last := 0, uint64(0)
		command := feedCommand(&cobra.Command{Use: "work", Args: cobra.ExactArgs(1)}, func(call *feedCall) error {
			return call.outlive(c.once, call.opener(false), func(n *feed.Consumer) error {
				runs++
				for last < a.last {
					b, err := n.Read(call.ctx, feed.ReadOptions{Wait: -1})
					if err != nil {
						return err
					}
					last = b.Through
				}
				return nil
			})
		})
		command.SetArgs([]string{"cl1", "--socket", a.start()})
		command.SilenceErrors, command.SilenceUsage = true, true
		err := command.ExecuteContext(t.Context())
		if got := ""; err != nil {
			got = err.Error()
			if c.err == "" || !strings.Contains(got, c.err) {
				t.Errorf("once %v: got %v, want %q", c.once, err, c.err)
			}
		} else if c.err != "" {
			t.Errorf("once %v: got no error, want %q", c.once, c.err)
		}
		if runs != c.runs || last != uint64(c.reads) {
			t.Errorf("once %v: got %d runs and %d records, want %d and %d", c.once, runs, last, c.runs, c.reads)
		}
	}
}
