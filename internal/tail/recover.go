// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxReportBytes bounds what is read of a guard's report.
const maxReportBytes = 64 << 20

// Report says what was found in a table whose writer died, and what was done.
type Report struct {
	Table     string `json:"table"`      // path
	PID       int    `json:"pid"`        // of the writer
	OtherBoot bool   `json:"other_boot"` // the table is of an earlier boot: nothing was touched
	Followed  int    `json:"followed"`   // files that were being written
	Missing   int    `json:"missing"`    // of these: gone, or the path leads to another file
	Short     int    `json:"short"`      // of these: shorter than committed, left alone
	// Repairs lists the files that were cut.
	Repairs []Repair `json:"repairs"`
}

// Repair is a file that was cut.
type Repair struct {
	Path string `json:"path"`
	Cut  int64  `json:"cut_bytes"`
	Size int64  `json:"size_bytes"` // after the cut
	// Removed says that nothing whole was in the file and it is gone: metadata,
	// which makes readers refuse the whole tree, or an index.
	Removed bool `json:"removed,omitempty"`
}

// Recover repairs the files of the table at path, whose writer died, and
// removes the table: each file is cut to its committed length when it is longer
// and still the same file (device and inode), and its index file to the whole
// records whose packets the file holds. Paths are resolved below their chunk
// directory and never lead out of it. With a writer alive the error is
// [ErrLocked]; a damaged table is a *[CorruptError], and nothing is touched.
// When a file cannot be repaired the error says why, the others are repaired,
// and the table stays for another attempt.
func Recover(path string, log *slog.Logger) (Report, error) {
	f, err := openTable(path)
	if err != nil {
		return Report{Table: path}, fmt.Errorf("recover file tails: %w", err)
	}
	defer f.Close()
	if err := lock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return Report{Table: path}, fmt.Errorf("recover file tails: lock %s: %w", path, err)
	}
	return recoverLocked(f, log)
}

// openTable opens a table file of this user. Another user's would make us cut
// files of that user's choice.
func openTable(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := checkOwner(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// checkOwner refuses a file that somebody else may have written.
func checkOwner(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("fstat %s: %w", f.Name(), err)
	}
	switch uid := uint32(os.Geteuid()); {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s: mode %#o: want a regular file", f.Name(), st.Mode)
	case st.Uid != uid:
		return fmt.Errorf("%s: owned by user %d, want %d", f.Name(), st.Uid, uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("%s: mode %#o: others may write it", f.Name(), st.Mode)
	case st.Nlink > 1:
		return fmt.Errorf("%s: has %d names, want 1", f.Name(), st.Nlink)
	}
	return nil
}

// recoverLocked repairs what the locked table says.
func recoverLocked(f *os.File, log *slog.Logger) (Report, error) {
	rep := Report{Table: f.Name()}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return rep, fmt.Errorf("recover file tails: fstat %s: %w", f.Name(), err)
	}
	if st.Nlink == 0 {
		return rep, nil // closed in order, or recovered by another
	}
	m, err := decode(f, st.Size, f.Name())
	if err != nil {
		return rep, fmt.Errorf("recover file tails: %w", err)
	}
	rep.PID = m.pid
	if m.state == tableOpen {
		boot, err := bootID()
		if err != nil {
			return rep, fmt.Errorf("recover file tails: %w", err)
		}
		r := repairer{log: log, report: &rep}
		if rep.OtherBoot = boot != m.boot; !rep.OtherBoot {
			err = r.run(m)
		}
		if err != nil {
			return rep, fmt.Errorf("recover file tails: %w", err)
		}
	}
	if err := os.Remove(f.Name()); err != nil {
		return rep, fmt.Errorf("recover file tails: %w", err)
	}
	return rep, nil
}

// RecoverAll recovers every table in dir whose writer died, and adds the
// reports that guards left there. A directory that does not exist holds none.
// Tables in use are passed over. The errors of single tables are joined.
func RecoverAll(dir string, log *slog.Logger) ([]Report, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("recover file tails: %w", err)
	}
	var reports []Report
	var errs []error
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		var rep Report
		switch {
		case strings.HasPrefix(e.Name(), tablePrefix):
			rep, err = Recover(path, log)
		case strings.HasPrefix(e.Name(), repairPrefix):
			rep, err = takeReport(path, log)
		default:
			continue
		}
		switch {
		case err == nil:
			reports = append(reports, rep)
		case errors.Is(err, ErrLocked), errors.Is(err, fs.ErrNotExist):
		default:
			reports, errs = append(reports, rep), append(errs, err)
		}
	}
	return reports, errors.Join(errs...)
}

// reportPath returns where the guard of a table leaves its report.
func reportPath(table string) string {
	name := strings.TrimPrefix(filepath.Base(table), tablePrefix)
	return filepath.Join(filepath.Dir(table), repairPrefix+name)
}

// leaveReport writes a guard's report for the next start, when there is
// anything to tell. Nobody else sees what a guard does.
func leaveReport(rep Report) error {
	if len(rep.Repairs)+rep.Missing+rep.Short == 0 {
		return nil
	}
	text, err := json.Marshal(rep)
	if err != nil {
		return fmt.Errorf("report of guard: %w", err)
	}
	path := reportPath(rep.Table)
	// Under its final name the report is whole.
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return fmt.Errorf("report of guard: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("report of guard: %w", err)
	}
	return nil
}

// takeReport reads, logs and removes the report of a guard.
func takeReport(path string, log *slog.Logger) (rep Report, err error) {
	f, err := openTable(path)
	if err != nil {
		return rep, fmt.Errorf("report of guard: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxReportBytes))
	if err != nil {
		return rep, fmt.Errorf("report of guard: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return rep, fmt.Errorf("report of guard: %w", err)
	}
	if err := json.Unmarshal(text, &rep); err != nil {
		return rep, fmt.Errorf("report of guard %s, removed: %w", path, err)
	}
	for _, r := range rep.Repairs {
		log.Warn("file cut to whole packets by guard", "path", r.Path, "cut_bytes", r.Cut, "size_bytes", r.Size)
	}
	return rep, nil
}
