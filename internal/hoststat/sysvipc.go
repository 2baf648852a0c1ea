// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// sysvipcReader reads /proc/sysvipc: files with a line for each message queue, set
// of semaphores and segment of shared memory, behind a heading.
type sysvipcReader struct {
	node  xmlsysd.NodeID
	files [3]*reread.File // msg sem shm
	count [3]xmlsysd.NodeID
	total [3]xmlsysd.NodeID
	qnum  xmlsysd.NodeID
	errs  sourceErrors
}

// Columns of the files: bytes of a queue, semaphores of a set, bytes of a segment;
// and messages of a queue.
const (
	ipcTotal = 3
	ipcQnum  = 4
)

func newSysvipcReader(e *Engine) reader {
	const at = "proc/sysvipc"
	s := &sysvipcReader{node: e.model.Must(at), qnum: e.model.Must(at + "/msgqnum")}
	for i, name := range [...]string{"msg", "sem", "shm"} {
		s.files[i] = e.prompt("sysvipc/"+name, pageSize, reread.Lines)
		s.count[i] = e.model.Must(at + "/" + name + "bufs")
		s.total[i] = e.model.Must(at + "/" + name + "tot")
	}
	return s
}

func (s *sysvipcReader) close() {
	for _, f := range s.files {
		f.Close()
	}
}

func (s *sysvipcReader) read(r *request) error {
	t := r.tape
	t.Open(s.node, r.at)
	defer t.Close()
	queued := uint64(0)
	for i, f := range s.files {
		text, err := f.Read()
		if err != nil {
			return s.errs.of(f.Path(), err)
		}
		r.bytes += len(text)
		count, total, qnum, bad := sumIPC(text)
		if bad != nil {
			return unexpected(f.Path(), bad)
		}
		t.Uint(s.count[i], count)
		t.Uint(s.total[i], total)
		if i == 0 {
			queued = qnum
		}
	}
	t.Uint(s.qnum, queued)
	return nil
}

// sumIPC counts the lines behind the heading and adds their columns up. It returns
// a line that has no numbers there.
func sumIPC(text []byte) (count, total, qnum uint64, bad []byte) {
	_, text = cutLine(text)
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		rest := line
		for column := 0; column <= ipcQnum; column++ {
			var word []byte
			word, rest = cutWord(rest)
			if column < ipcTotal {
				continue
			}
			n, ok := number(word)
			switch {
			case !ok:
				return count, total, qnum, line
			case column == ipcTotal:
				total += n
			default:
				qnum += n
			}
		}
		count++
	}
	return count, total, qnum, nil
}
