// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// farPiece is how much of a file is asked for at once.
const farPiece = 4 << 20

func (r *far) copyTo(ctx context.Context, p *pace, out int, f changelog.FID, st *unix.Stat_t) (copied int64, err error) {
	now, _, err := r.stat(f)
	if err != nil {
		return 0, err
	}
	*st = *now
	if 0 < st.Size && st.Size <= smallFile {
		a, err := r.content(ctx, p, f)
		if err != nil {
			return 0, err
		}
		*st = *unixStat(a.Stat)
		if st.Size <= int64(len(a.Content)) { // else it has become larger
			return r.writeSmall(ctx, p, out, a.Content[:st.Size])
		}
	}
	if err := unix.Ftruncate(out, st.Size); err != nil {
		return 0, err
	}
	for copied < st.Size {
		n, err := r.copyPiece(ctx, out, f, copied, min(farPiece, p.piece(), st.Size-copied))
		copied += n
		if err == nil && n > 0 {
			err = p.wait(ctx, n)
		}
		if err != nil || n == 0 { // it has become shorter: a record tells
			return copied, err
		}
	}
	return copied, nil
}

// copyPiece copies some bytes. An answer that was cut short is asked for again from there on,
// as long as that brings any more: the agent may have been killed.
func (r *far) copyPiece(ctx context.Context, out int, f changelog.FID, at, most int64) (n int64, err error) {
	for {
		var got int64
		err := r.outlive(func() error {
			m, err := r.copySome(ctx, out, f, at+n, most-n)
			n, got = n+m, m
			return err
		})
		var cut *answerError
		if got == 0 || !errors.As(err, &cut) {
			return n, err
		}
	}
}

// copySome copies what one answer has.
func (r *far) copySome(outer context.Context, out int, f changelog.FID, at, most int64) (n int64, err error) {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	stuck := time.AfterFunc(askTime, cancel)
	defer stuck.Stop()
	body, err := r.agent.TreeContent(ctx, r.dir, f.String(), at, most)
	if ctx.Err() != nil && outer.Err() == nil {
		err = stoodStill(err)
	}
	if err != nil {
		switch {
		case errors.Is(err, &client.Error{Code: client.CodeNotFound}):
			err = unix.ESTALE
		case errors.Is(err, &client.Error{Code: client.CodeBadArgument}): // it cannot be opened
			err = &answerError{client.AskContent, f.String(), err.Error()}
		}
		return 0, err
	}
	defer body.Close()
	n, err = copyBlocks(out, &answerBody{body, f, at, stuck}, at, most)
	if err != nil && ctx.Err() != nil && outer.Err() == nil {
		err = stoodStill(err)
	}
	return n, err
}

func stoodStill(err error) error {
	return fmt.Errorf("%w, or its host: nothing came in %v: %w", client.ErrGone, askTime, err)
}

// answerBody is what an agent answers of a file. An answer that was cut short, as where
// the file cannot be read to its end, is no end of the file.
type answerBody struct {
	io.Reader
	f     changelog.FID
	at    int64
	stuck *time.Timer // ends the answer if it stands still
}

func (b *answerBody) Read(p []byte) (n int, err error) {
	b.stuck.Reset(askTime)
	n, err = b.Reader.Read(p)
	b.stuck.Stop() // what is read is written meanwhile, which may take long
	b.at += int64(n)
	switch {
	case errors.Is(err, unix.ECONNRESET):
		err = fmt.Errorf("%w: %w", client.ErrGone, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = &answerError{client.AskContent, b.f.String(), fmt.Sprintf("the answer ends at byte %d, before its end", b.at)}
	}
	return n, err
}

// copyBlocks writes what is read, from an offset on. Blocks of zeros are left as holes.
func copyBlocks(out int, body io.Reader, at, most int64) (n int64, err error) {
	var block, zeros [4096]byte
	for n < most {
		got, err := io.ReadFull(body, block[:min(int64(len(block)), most-n)])
		b := block[:got]
		if !bytes.Equal(b, zeros[:got]) {
			if w, err := unix.Pwrite(out, b, at+n); err != nil || w < got {
				return n, errors.Join(err, ifShort(w, got))
			}
		}
		n += int64(got)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func ifShort(got, want int) error {
	if got < want {
		return io.ErrShortWrite
	}
	return nil
}
