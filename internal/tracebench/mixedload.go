// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
)

// mixed is what people do on a host: archives, text, many small programs and files,
// large files, arithmetic, at the same time. It is given a directory, a number of
// files and a number of rounds.
const mixed = `cd "$1" || exit 1
find /usr/share /usr/include /etc -type f -readable 2>/dev/null | head -n "$2" >list
mkdir -p out
(tar cf - -T list 2>/dev/null | gzip -1 >a.tgz) &
(xargs -d '\n' cat <list 2>/dev/null | tr -cs a-zA-Z '\n' | sort | uniq -c | sort -rn | head -n 50 >words) &
(i=0; while [ $i -lt "$3" ]; do /bin/echo $i >file$i; ln -s file$i link$i; mv file$i moved$i; cat link$i moved$i >/dev/null 2>&1; i=$((i+1)); done; rm -f moved* link*) &
(dd if=/dev/zero of=big bs=64k count="$3" conv=fsync 2>/dev/null; cp big copy; cmp big copy; rm big copy) &
(awk 'BEGIN { for (i = 0; i < 20000; i++) s += i; print s }' >sum; nice -n 3 sha256sum list; timeout 5 sleep 0.05) >/dev/null &
wait
tar xzf a.tgz -C out && find out -type f | wc -l >/dev/null
kill -0 $$
`

// mixedTimeout bounds it.
const mixedTimeout = 5 * time.Minute

// mixedLoad runs ordinary programs, and returns the first one's number.
func (b *Bench) mixedLoad(ctx context.Context) ([]int, error) {
	ctx, cancel := context.WithTimeout(ctx, mixedTimeout)
	defer cancel()
	dir, err := os.MkdirTemp(b.scratch, "work-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the scratch directory goes, too
	p, err := benchproc.Program{
		Name: "mixed load", Dir: dir,
		Command: []string{"sh", "-c", mixed, "sh", dir, strconv.Itoa(b.sizes.files), strconv.Itoa(b.sizes.rounds)},
	}.Start()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, p.Kill)()
	tid := p.PID()
	if err := p.Status(); err != nil || ctx.Err() != nil {
		return nil, fmt.Errorf("mixed load: %w", errors.Join(err, context.Cause(ctx)))
	}
	return []int{tid}, nil
}
