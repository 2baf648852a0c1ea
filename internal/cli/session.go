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
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client"
)

// sessionDetails is what "weir sessions show --json" prints.
type sessionDetails struct {
	client.Session
	Streams []client.Stream `json:"streams"`
	Chunks  []client.Chunk  `json:"chunks"`
}

// newSessionsShowCommand returns "weir sessions show".
func newSessionsShowCommand(hub *hubFlag) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a session with its streams and chunks",
		Long: `Show one session: where it lies, what came in, its producers, streams and
chunks. With --json: the session as /api/v1/sessions/ID has it, with the
members streams and chunks.`,
		Example: "  weir sessions show 9f86d081884c7d65",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			d, err := readDetails(ctx, api, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), d)
			}
			return writeSession(c.OutOrStdout(), d, time.Now())
		})
	}
	return c
}

func readDetails(ctx context.Context, api *client.Client, id string) (sessionDetails, error) {
	s, err := api.Session(ctx, id)
	if err != nil {
		return sessionDetails{}, err
	}
	d := sessionDetails{Session: s, Streams: []client.Stream{}, Chunks: []client.Chunk{}}
	for st, err := range api.Streams(ctx, id) {
		if err != nil {
			return d, err
		}
		d.Streams = append(d.Streams, st)
	}
	for ch, err := range api.Chunks(ctx, id) {
		if err != nil {
			return d, err
		}
		d.Chunks = append(d.Chunks, ch)
	}
	return d, nil
}

// newSessionsDeleteCommand returns "weir sessions delete".
func newSessionsDeleteCommand(hub *hubFlag) *cobra.Command {
	var chunk string
	c := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a closed session, or one of its chunks",
		Long: `Delete a closed session with all its chunks, or with --chunk one chunk that is
not being written, also of an active session. What is deleted is gone.`,
		Example: `  weir sessions delete 9f86d081884c7d65
  weir sessions delete 9f86d081884c7d65 --chunk 20261120T101639+0000-20261120T101640+0000-1`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&chunk, "chunk", "", "delete only this `CHUNK`")
	c.RunE = func(c *cobra.Command, args []string) error {
		if chunk == "" && c.Flags().Changed("chunk") {
			return usageErrorf("--chunk: want the ID of a chunk")
		}
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			if chunk != "" {
				return api.DeleteChunk(ctx, args[0], chunk)
			}
			return api.DeleteSession(ctx, args[0])
		})
	}
	return c
}

// newSessionsDownloadCommand returns "weir sessions download".
func newSessionsDownloadCommand(hub *hubFlag) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "download ID CHUNK",
		Short: "Download a chunk as a tar.zst archive",
		Long: `Download a chunk that is not being written as a tar archive compressed with
zstd. -o - writes to standard output. An existing file is not overwritten, and
a file that could not be completed is removed.`,
		Example: `  weir sessions download 9f86d081884c7d65 .session -o session.tar.zst
  weir sessions download 9f86d081884c7d65 .session -o - | tar --zstd -t`,
		Args: cobra.ExactArgs(2),
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` (required)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if output == "" {
			return usageErrorf("--output: want a file, or - for standard output")
		}
		return hub.with(c, func(ctx context.Context, api *client.Client) error {
			return download(ctx, c.OutOrStdout(), api, args[0], args[1], output)
		})
	}
	return c
}

func download(ctx context.Context, stdout io.Writer, api *client.Client, id, chunk, output string) error {
	body, err := api.Archive(ctx, id, chunk)
	if err != nil {
		return err
	}
	defer body.Close()
	if output == "-" {
		return copyArchive(stdout, body)
	}
	file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already", output)
	}
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	if err := errors.Join(copyArchive(file, body), file.Close()); err != nil {
		return errors.Join(err, os.Remove(output))
	}
	return nil
}

func copyArchive(w io.Writer, body io.Reader) error {
	if n, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("archive incomplete after %d bytes: %w", n, err)
	}
	return nil
}
