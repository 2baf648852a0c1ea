// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/sink"
)

// newFeedSinkCommand returns "weir feed sink".
func newFeedSinkCommand() *cobra.Command {
	var o sink.Options
	var once, noScan, steal, progress bool
	c := &cobra.Command{
		Use:   "sink FEED",
		Short: "Keep a source's tree and its history in a database",
		Long: `Have a feed drive a database: the tables have the tree of the source as it is, and,
with --audit, each record. What a batch does is one transaction together with the index
that it goes through, and only then is the feed cancelled: each record has its effect
once, whatever is killed and whenever.

At first the source is scanned, which needs root; after a gap it is scanned again. Where
the database cannot be reached, the command tries again after a second to a minute and
cancels nothing meanwhile; an agent that was stopped it waits for.

Tables, with the default prefix: weir_cursor (how far it is), weir_obj (objects),
weir_ent (names), weir_log (records); views: weir_path, weir_orphan, weir_grown,
weir_filled. Names and paths are bytes. "weir feed query" asks useful questions.`,
		Example: `  weir feed sink audit --to sqlite:/var/lib/tree.db --audit
  weir feed sink cl1 --to "postgres://weir@db.example.net/files" --tables srv_`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	f := c.Flags()
	f.StringVar(&o.To, "to", "", "write to this database, sqlite:PATH or postgres:`URL`")
	f.StringVar(&o.Tables, "tables", sink.DefaultTables, "begin the names of tables with `PREFIX`")
	f.BoolVar(&o.Audit, "audit", false, "keep each record in the table of records")
	f.IntVar(&o.Batch, "batch", sink.DefaultBatch, "put `N` records into a transaction at most")
	f.BoolVar(&once, "once", false, "end when there is nothing more to read")
	f.BoolVar(&noScan, "no-scan", false, "do not look at the source: the tables have what records tell, and no more")
	f.BoolVar(&steal, "steal", false, "take the feed from the consumer that reads it")
	f.BoolVar(&progress, "progress", false, "tell how far it is, once a second")
	must(c.MarkFlagRequired("to"))
	return feedCommand(c, func(call *feedCall) error {
		if o.Batch < 1 || o.Batch > 65_536 {
			return usageErrorf("--batch %d: want 1 to 65536", o.Batch)
		}
		o.Log = newFeedLogger(c)
		if progress {
			o.Progress = printSinkProgress(c.ErrOrStderr())
		}
		return call.outlive(once, call.opener(steal), func(n *feed.Consumer) (err error) {
			o.Feed, o.Info = n, n.Info()
			if !noScan {
				if o.Tree, err = sink.OpenTree(o.Info.Place()); err != nil {
					return fmt.Errorf("source of feed %s: %w; --no-scan does without it", feedLabel(&o.Info), err)
				}
				defer o.Tree.Close()
			}
			s, err := sink.Open(call.ctx, o)
			if err != nil {
				return err
			}
			return errors.Join(s.Run(call.ctx, once), s.Close())
		})
	})
}

// printSinkProgress prints where a sink is, once a second.
func printSinkProgress(w io.Writer) func(sink.Progress) {
	var last time.Time
	return func(p sink.Progress) {
		if now := time.Now(); now.Sub(last) >= time.Second {
			last = now
			fmt.Fprintf(w, "%s: through %d, %d records, %d rows scanned, %d retries\n", p.Cursor.State, p.Cursor.Through, p.Records, p.Scanned, p.Retries)
		}
	}
}

// feedQuery are the flags of "weir feed query".
type feedQuery struct {
	sink.Ask

	since, until string
	json         bool
}

// newFeedQueryCommand returns "weir feed query".
func newFeedQueryCommand() *cobra.Command {
	var q feedQuery
	about := &strings.Builder{}
	var names []string
	for _, one := range sink.Questions() {
		audit := ""
		if one.Audit {
			audit = " (needs --audit)"
		}
		fmt.Fprintf(about, "  %-8s  %s%s\n", one.Name, one.About, audit)
		names = append(names, one.Name)
	}
	c := &cobra.Command{
		Use:   "query NAME",
		Short: "Ask the database that a sink keeps",
		Long: `Ask the tables of "weir feed sink" one of these questions:

` + strings.TrimRight(about.String(), "\n"),
		Example: `  weir feed query filled --from sqlite:/var/lib/tree.db --dir home/alice --since 24h
  weir feed query largest --from "postgres://weir@db.example.net/files" --limit 20 --json`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
	}
	f := c.Flags()
	f.StringVar(&q.From, "from", "", "ask this database, sqlite:PATH or postgres:`URL`")
	f.StringVar(&q.Tables, "tables", sink.DefaultTables, "names of tables begin with `PREFIX`")
	f.StringVar(&q.Dir, "dir", "", "ask about this `DIR`, from where the source's tree begins; default: all of it")
	f.StringVar(&q.since, "since", "", "from this `TIME` on: RFC 3339, or a duration before now")
	f.StringVar(&q.until, "until", "", "before this `TIME`")
	f.IntVar(&q.Limit, "limit", 100, "print `N` rows at most")
	f.BoolVar(&q.json, "json", false, "print an object a line")
	must(c.MarkFlagRequired("from"))
	c.RunE = func(c *cobra.Command, args []string) error {
		q.Name = args[0]
		var err error
		if q.Since, err = parseWhen(q.since, time.Now()); err != nil {
			return usageErrorf("--since: %w", err)
		}
		if q.Until, err = parseWhen(q.until, time.Now()); err != nil {
			return usageErrorf("--until: %w", err)
		}
		return q.print(c)
	}
	return c
}

// parseWhen parses a time, or how long before now it was.
func parseWhen(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q: want a time as 2026-11-20T10:00:00Z, or a duration as 24h", text)
	}
	return t, nil
}

// print prints the answer.
func (q *feedQuery) print(c *cobra.Command) error {
	out := c.OutOrStdout()
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := false
	err := sink.Query(c.Context(), q.Ask, func(columns []string, values []sink.Value) error {
		if q.json {
			_, err := out.Write(appendRowJSON(nil, columns, values))
			return err
		}
		if !head {
			head = true
			fmt.Fprintln(t, strings.ToUpper(strings.ReplaceAll(strings.Join(columns, "\t"), "_", " ")))
		}
		cells := make([]string, len(values))
		for i, v := range values {
			cells[i] = cellText(v)
		}
		_, err := fmt.Fprintln(t, strings.Join(cells, "\t"))
		return err
	})
	return errors.Join(err, t.Flush())
}

// cellText is a value for people.
func cellText(v sink.Value) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case time.Time:
		return v.Format(time.RFC3339)
	case sink.Path:
		return printable(string(v))
	case []byte:
		return printable(string(v))
	case string:
		return printable(v)
	}
	return fmt.Sprint(v)
}

// appendRowJSON appends an answer's row as an object. Bytes that are no UTF-8 are in
// base64, under the column's name and "_b64", as in records.
func appendRowJSON(dst []byte, columns []string, values []sink.Value) []byte {
	dst = append(dst, '{')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		var b []byte
		switch v := values[i].(type) {
		case sink.Path:
			b = v
		case []byte:
			b = v
		}
		if !utf8.Valid(b) {
			dst = append(appendJSONText(dst, c+"_b64"), ':')
			dst = appendJSONText(dst, base64.StdEncoding.EncodeToString(b))
			continue
		}
		dst = append(appendJSONText(dst, c), ':')
		switch v := values[i].(type) {
		case nil:
			dst = append(dst, "null"...)
		case int64:
			dst = strconv.AppendInt(dst, v, 10)
		case time.Time:
			dst = appendJSONText(dst, v.Format(time.RFC3339Nano))
		case string:
			dst = appendJSONText(dst, v)
		default:
			dst = appendJSONText(dst, string(b))
		}
	}
	return append(dst, '}', '\n')
}

// appendJSONText appends a string, which must be UTF-8.
func appendJSONText(dst []byte, text string) []byte {
	b, err := json.Marshal(text)
	must(err)
	return append(dst, b...)
}

// newFeedLogger logs to standard error, for commands that run on.
func newFeedLogger(c *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
}
