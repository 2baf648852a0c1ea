// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fanin"
)

// addNATSFlags adds the flags of a connection.
func addNATSFlags(c *cobra.Command, s *fanin.Server) {
	c.Flags().StringVar(&s.URL, "nats", "", "connect to the server at this `URL`, as nats://127.0.0.1:4222 or tls://…; several with commas between")
	c.Flags().StringVar(&s.Credentials, "creds", "", "say who this is by the credentials in `FILE`")
	must(c.MarkFlagRequired("nats"))
}

// machineID is where Linux has the id of a host.
const machineID = "/etc/machine-id"

// newFeedPublishCommand returns "weir feed publish".
func newFeedPublishCommand() *cobra.Command {
	var o fanin.PublishOptions
	var once, steal bool
	var size sizeFlag
	c := &cobra.Command{
		Use:   "publish FEED",
		Short: "Publish a feed to a NATS JetStream stream",
		Long: `Publish the records of a feed to the stream WEIR_UUID of its file system, which is made if
it is missing, as chunks of 1000 records or 512 KiB. Records are cancelled when the
server has acknowledged them; whatever is killed and whenever, the stream has each once.

The server must sync before it acknowledges (sync_interval: always), or a power failure
takes what it has acknowledged. A stream that is full refuses new records: they stay
with the feed until there is room. One that is not there is waited for, as is an agent
that was stopped.`,
		Example: `  weir feed publish cl1 --nats nats://127.0.0.1:4222
  weir feed publish cl1 --nats tls://nats.example.net --creds /etc/weir/nats.creds --replicas 3 --trim`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFeeds,
	}
	addNATSFlags(c, &o.Server)
	f := c.Flags()
	f.IntVar(&o.Replicas, "replicas", 1, "keep a new stream on `N` servers")
	f.Var(&size, "max-bytes", "refuse records when a new stream has so many bytes; default: no limit")
	f.BoolVar(&o.Trim, "trim", false, "remove what all readers of the stream have acknowledged")
	f.BoolVar(&once, "once", false, "end when there is nothing more to read")
	f.BoolVar(&steal, "steal", false, "take the feed from the consumer that reads it")
	return feedCommand(c, func(call *feedCall) error {
		o.MaxBytes, o.Wait, o.Log = int64(size), true, newFeedLogger(c)
		o.Host = call.api.Hello().Host
		if text, err := os.ReadFile(machineID); err == nil {
			if o.HostID, err = fanin.ParseHostID(string(text)); err != nil {
				o.Log.Warn("records are published without the host's id", "file", machineID, "error", err)
			}
		}
		return call.outlive(once, call.opener(steal), func(n *feed.Consumer) error {
			o.Feed, o.Info = n, n.Info()
			p, err := fanin.OpenPublisher(call.ctx, o)
			if err != nil {
				return err
			}
			defer p.Close()
			return p.Run(call.ctx, once)
		})
	})
}

// feedSubscription are the flags of "weir feed subscribe".
type feedSubscription struct {
	fanin.SubscribeOptions

	format string
	json   bool
	follow bool
}

// newFeedSubscribeCommand returns "weir feed subscribe".
func newFeedSubscribeCommand() *cobra.Command {
	var s feedSubscription
	c := &cobra.Command{
		Use:   "subscribe",
		Short: "Print the records that many hosts publish, merged by time",
		Long: `Print the records of all streams that "weir feed publish" fills, in the order of their
time and with the name of the host. With --name the place is kept on the server, and
what was printed is acknowledged when more is asked for: what was printed when the
command was killed is printed again. With --follow, a server that is not there is waited
for.`,
		Example: `  weir feed subscribe --nats nats://127.0.0.1:4222 --follow
  weir feed subscribe --nats nats://127.0.0.1:4222 --name archive --format json`,
		Args: noArguments,
	}
	addNATSFlags(c, &s.Server)
	f := c.Flags()
	f.StringVar(&s.Name, "name", "", "keep the place under this `NAME`; one command at a time may have it")
	f.DurationVar(&s.Lag, "lag", time.Second, "records wait for `TIME` for earlier ones of hosts that have sent nothing")
	f.StringVar(&s.format, "format", "text", "print records as `FORMAT`: text, behind the host, or json")
	f.BoolVar(&s.json, "json", false, "print JSON")
	f.BoolVar(&s.follow, "follow", false, "wait for more, until the command is interrupted")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if s.format != "text" && s.format != "json" {
			return usageErrorf("--format %q: want text or json", s.format)
		}
		if s.json {
			s.format = "json"
		}
		return s.run(c)
	}
	return c
}

func (s *feedSubscription) run(c *cobra.Command) error {
	ctx, stop := untilSignal(c)
	defer stop()
	s.Wait, s.Log = s.follow, newFeedLogger(c)
	sub, err := fanin.OpenSubscriber(ctx, s.SubscribeOptions)
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil
	case err != nil:
		return err
	}
	defer sub.Close()
	out := bufio.NewWriterSize(c.OutOrStdout(), 64<<10)
	for {
		records, err := sub.Batch(ctx, !s.follow)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil || len(records) == 0 {
			return err
		}
		var line []byte
		for i := range records {
			line = s.appendRecord(line, &records[i])
		}
		_, err = out.Write(line)
		if err := errors.Join(err, out.Flush()); err != nil {
			return err
		}
	}
}

// appendRecord appends a line. In JSON, the host's name stands beside its id.
func (s *feedSubscription) appendRecord(dst []byte, r *fanin.Labelled) []byte {
	if s.format == "text" {
		dst = append(append(dst, printable(r.Host)...), ' ')
		return append(changelog.AppendText(dst, r.Record), '\n')
	}
	dst = changelog.AppendJSON(dst, r.Record)
	dst = appendJSONText(append(dst[:len(dst)-1], `,"host_name":`...), r.Host)
	return append(appendJSONText(append(dst, `,"source":`...), r.Source), '}', '\n')
}
