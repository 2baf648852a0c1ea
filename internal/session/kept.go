// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// Packets that no relay has got when their output ends are kept as a trace:
//
//	SPOOL/UID/SESSION-TIME.DOMAIN       by the consumer process, of its own user
//	SPOOL/kept/SESSION-TIME/DOMAIN      then, by the daemon, of the session's creator
const (
	keptDir  = "kept"
	keptMode = 0o711 // of directories above traces of several users
)

// keptName is the name of such a trace for the consumer process.
func keptName(s *Session, domain string, at time.Time) string {
	const most = 180 // bytes: a name has 255
	return fmt.Sprintf("%s-%s-%d.%s", s.name[:min(len(s.name), most)], at.Format(timeLayout), s.id, domain)
}

// takeKept gives what a consumer process has kept to the session's creator, and
// returns what is to be told of it.
func (m *domain) takeKept(rest handover.Ended) (told []string) {
	for _, name := range rest.Places {
		if !m.isKept(name) {
			m.s.log.Error("consumer process names a place that is not its own", "domain", m.src.Domain(), "place", name)
			continue
		}
		place, err := m.s.takeKept(name, m.src.Domain())
		if err != nil {
			m.s.log.Warn("kept packets stay with the consumer's user", "err", err)
		}
		told = append(told, fmt.Sprintf("domain %s: %d packets that no relay has got are kept in %s", m.src.Domain(), rest.Kept, place))
	}
	return told
}

// isKept reports whether a name is that which the process was told, or one with a
// number behind it. The process has no privilege, and its word none.
func (m *domain) isKept(name string) bool {
	own := m.kept.Load()
	if own == nil {
		return false
	}
	number, ok := strings.CutPrefix(name, *own)
	if !ok || number == "" {
		return ok
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(number, "-"), 10, 32)
	return err == nil && number == fmt.Sprintf("-%d", n)
}

// takeKept moves a trace within the directory of spools, whatever links others have
// set there meanwhile.
func (s *Session) takeKept(name, domain string) (place string, err error) {
	uid, _ := s.consumerIdentity()
	from, all := filepath.Join(strconv.FormatUint(uint64(uid), 10), name), filepath.Join(keptDir, name)
	place = filepath.Join(s.d.opts.SpoolDir, from)
	spools, err := os.OpenRoot(s.d.opts.SpoolDir)
	if err != nil {
		return place, err
	}
	defer spools.Close()
	if info, err := spools.Lstat(from); err != nil {
		return place, err
	} else if !info.IsDir() {
		return place, fmt.Errorf("%s: want a directory, got %v", place, info.Mode())
	}
	if err := spools.MkdirAll(keptDir, keptMode); err != nil {
		return place, err
	}
	if err := spools.Mkdir(all, dirMode); err != nil {
		return place, err
	}
	if err := spools.Rename(from, filepath.Join(all, domain)); err != nil {
		return place, errors.Join(err, spools.Remove(all))
	}
	place = filepath.Join(s.d.opts.SpoolDir, all)
	if os.Geteuid() != 0 {
		return place, nil
	}
	dir, err := spools.OpenFile(all, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return place, err
	}
	defer dir.Close()
	if uid == s.uid { // what is in it is the creator's already
		return place, dir.Chown(int(s.uid), int(s.gid))
	}
	return place, chownTree(int(dir.Fd()), int(s.uid), int(s.gid), 2)
}

// AdoptKept puts what consumers of a daemon that was killed have kept in its place.
// Whose it was is not known any more: it stays with the consumers' user. One may
// still be written, which makes no difference.
func (d *Daemon) AdoptKept() error {
	found, err := filepath.Glob(filepath.Join(d.opts.SpoolDir, "[0-9]*", "*.*", "metadata"))
	if err != nil || d.opts.SpoolDir == "" {
		return err
	}
	var errs []error
	for _, path := range found {
		trace := filepath.Dir(path)
		name := filepath.Base(trace)
		dot := strings.LastIndexByte(name, '.')
		all := filepath.Join(d.opts.SpoolDir, keptDir, name)
		if err := os.MkdirAll(filepath.Dir(all), keptMode); err != nil {
			return err
		}
		err := os.Mkdir(all, dirMode)
		if err == nil {
			err = os.Rename(trace, filepath.Join(all, domainOf(name[dot+1:])))
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.log.Info("packets that a killed daemon's session has kept", "place", all)
	}
	return errors.Join(errs...)
}

// domainOf takes the number away that names of a second trace and later ones have.
func domainOf(name string) string {
	domain, _, _ := strings.Cut(name, "-")
	return domain
}

// keptNotice takes what a process has kept of an output that another one has
// replaced.
func (m *domain) keptNotice(body json.RawMessage) {
	var rest handover.Ended
	if json.Unmarshal(body, &rest) != nil {
		return
	}
	texts := m.takeKept(rest)
	if rest.Lost > 0 {
		texts = append(texts, fmt.Sprintf("domain %s: %d packets are lost: no relay has confirmed them", m.src.Domain(), rest.Lost))
	}
	for _, text := range texts {
		m.s.log.Warn("old output was not settled", "text", text)
		m.s.d.notify(m.s, "error", text)
	}
	m.s.background.Go(func() { // a command may wait for what comes behind the notice
		m.s.mu.Lock()
		defer m.s.mu.Unlock()
		m.left = append(m.left, texts...)
		m.left = m.left[max(len(m.left)-maxLeft, 0):]
	})
}

// maxLeft is how many times the status tells what outputs have left behind.
const maxLeft = 8

// leftText tells what becomes of packets for a relay that is away when the session
// has another place.
func (m *domain) leftText() string {
	text := fmt.Sprintf("domain %s: the relay that it had is away: packets that it has not got ", m.src.Domain())
	if m.s.d.opts.SpoolDir == "" {
		return text + "are lost"
	}
	return text + "are kept below " + filepath.Join(m.s.d.opts.SpoolDir, keptDir)
}
