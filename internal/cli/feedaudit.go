// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/audit"
)

// newFeedAuditCommand returns "weir feed audit".
func newFeedAuditCommand() *cobra.Command {
	var o audit.Options
	var size sizeFlag
	var once, steal bool
	c := &cobra.Command{
		Use:   "audit FEED",
		Short: "Write the records of a feed to files that tell of changes to them",
		Long: `Write the records of a feed to a directory, as JSON lines. Each line carries a hash over
itself and the hash of the line before, and each file begins with the last hash of the
file before: "weir feed audit verify" finds the first line that somebody has changed,
removed or added.

Lines are synced before their records are cancelled, and a record is written once,
whatever is killed and whenever.`,
		Example: `  weir feed audit cl1 --dir /var/log/weir/srv
  weir feed audit cl1 --dir /var/log/weir/srv --size 256M --every 24h --keep 90`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "write to files in this `DIR`, which is made if it is missing")
	f.Var(&size, "size", "begin a new file when one has so many bytes; default: 64M")
	f.DurationVar(&o.Every, "every", 0, "begin a new file after `TIME`; 0s: never for that")
	f.IntVar(&o.Keep, "keep", 0, "keep the last `N` files; 0: all")
	f.IntVar(&o.Batch, "batch", audit.DefaultBatch, "sync after `N` records at most")
	f.BoolVar(&once, "once", false, "end when there is nothing more to read")
	f.BoolVar(&steal, "steal", false, "take the feed from the consumer that reads it")
	must(c.MarkFlagRequired("dir"))
	must(c.MarkFlagDirname("dir"))
	feedCommand(c, func(call *feedCall) error {
		if o.Keep < 0 || o.Batch < 1 || o.Batch > 65_536 || o.Every < 0 {
			return usageErrorf("--keep %d, --batch %d, --every %v: want 0 or more, 1 to 65536, 0 or more", o.Keep, o.Batch, o.Every)
		}
		o.Size, o.Log, o.Host = int64(size), newFeedLogger(c), call.api.Hello().Host
		return call.outlive(once, call.opener(steal), func(n *feed.Consumer) error {
			o.Feed, o.Info = n, n.Info()
			l, err := audit.Open(o)
			if err != nil {
				return err
			}
			return errors.Join(l.Run(call.ctx, once), l.Close())
		})
	})
	c.AddCommand(newFeedAuditVerifyCommand())
	return c
}

// newFeedAuditVerifyCommand returns "weir feed audit verify".
func newFeedAuditVerifyCommand() *cobra.Command {
	var anchor string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "Find the first line of an audit log that does not fit",
		Long: `Check the files of an audit log from the oldest on. The first line that does not fit is
named, with what it has and what it should have, and the exit code is 1.

The command prints the hash of the last line. A log whose end was cut off still fits;
whoever has noted an earlier hash elsewhere finds that out with --anchor.`,
		Example: `  weir feed audit verify /var/log/weir/srv
  weir feed audit verify /var/log/weir/srv --anchor "$(cat /mnt/safe/hash)"`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&anchor, "anchor", "", "a line must have this `HASH`")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		if info, err := os.Stat(args[0]); err != nil {
			return err
		} else if !info.IsDir() {
			return fmt.Errorf("%s: not a directory", args[0])
		}
		begun := time.Now()
		r, err := audit.Verify(args[0], anchor)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(r)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d files from number %d, %d records through %d, %d notes, all fit (%v)\nlast hash %s\n",
			r.Files, r.First, r.Records, r.Through, r.Notes, time.Since(begun).Round(time.Millisecond), r.Hash)
		if r.Torn > 0 {
			_, err2 := fmt.Fprintf(c.OutOrStdout(), "%d bytes of an unfinished line at the end; the writer cuts them off\n", r.Torn)
			err = errors.Join(err, err2)
		}
		return err
	}
	return c
}
