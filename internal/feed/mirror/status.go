// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Status is what a mirror tells of itself to who asks in another process: it is stored in
// the mirror's directory.
type Status struct {
	Source   string    `json:"source"`
	Feed     string    `json:"feed"`
	Updated  time.Time `json:"updated"`
	Progress Progress  `json:"progress"`
	Troubles []Trouble `json:"troubles"`
	Stopped  string    `json:"stopped,omitempty"` // why it does not go on by itself
	// TimeUnit is how exact times of the target are, in nanoseconds.
	TimeUnit time.Duration `json:"time_unit"`
}

// statusFile is its name in the mirror's directory.
const statusFile = "status.json"

// statusEvery is how often it is written at most.
const statusEvery = time.Second

// ReadStatus reads what the mirror of a target has told last.
func ReadStatus(target string) (*Status, error) {
	path := filepath.Join(target, ownDir, statusFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("target %s is no mirror that has told of itself: %w", target, err)
	}
	if err != nil {
		return nil, err
	}
	s := new(Status)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// TimeUnit is how exact times of a target are that is a mirror; of others nothing is known,
// and they are taken for exact.
func TimeUnit(target string) time.Duration {
	s, err := ReadStatus(target)
	if err != nil {
		return 1
	}
	return max(s.TimeUnit, 1)
}

// teller writes the status, and not too often.
type teller struct {
	dir    string
	told   time.Time
	unsaid bool // there is news
}

// wait is how long news have to wait yet.
func (t *teller) wait(now time.Time) time.Duration {
	return max(time.Millisecond, t.told.Add(statusEvery).Sub(now))
}

// tell writes the status if there is news, and it is time or the last chance.
func (m *Mirror) tell(last bool) error {
	t := &m.teller
	now := time.Now()
	if !t.unsaid || !last && now.Sub(t.told) < statusEvery {
		return nil
	}
	s := Status{Source: m.src.place(), Feed: m.st.about.Feed, Updated: now.UTC(), Progress: m.last, Troubles: m.Troubles()}
	if m.dst != nil {
		s.TimeUnit = time.Duration(m.dst.unit)
	}
	if m.st.stopped != nil {
		s.Stopped = m.st.stopped.err().Error()
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := filepath.Join(t.dir, statusFile)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	t.told, t.unsaid = now, false
	return os.Rename(path+".new", path)
}
