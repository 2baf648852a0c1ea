// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/weir-io/weir/changelog"
)

// JobID says what records name as the job of a process: one of the kinds, or a variable of
// its environment.
type JobID string

// Kinds of jobs.
const (
	JobNone    JobID = "none"
	JobCommUID JobID = "comm_uid" // as in "cp.1000"
	JobCgroup  JobID = "cgroup"   // its number
)

// jobVariable is before the name of a variable of the environment.
const jobVariable = "env:"

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

// ParseJobID reads what people call a job; nothing is the default.
func ParseJobID(text string) (JobID, error) {
	switch j := JobID(text); j {
	case "":
		return JobCommUID, nil
	case JobNone, JobCommUID, JobCgroup:
		return j, nil
	}
	if name, ok := strings.CutPrefix(text, jobVariable); ok && variableName.MatchString(name) {
		return JobID(text), nil
	}
	return "", fmt.Errorf("job %q: want %s, %s, %s or %sNAME, a variable of the environment", text, JobNone, JobCommUID, JobCgroup, jobVariable)
}

// mostEnvironment is how much of an environment is looked through.
const mostEnvironment = 256 << 10

// variableOf returns the variable that names the job of a process, as it was when its
// program began. It is read only if that is the kind of jobs.
func (j JobID) variableOf(pid int32) []byte {
	name, ok := strings.CutPrefix(string(j), jobVariable)
	if !ok {
		return nil
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	return variable(io.LimitReader(f, mostEnvironment), name)
}

// variable finds the value of a variable; nil if there is none.
func variable(environ io.Reader, name string) []byte {
	r := bufio.NewReader(environ)
	for {
		text, err := r.ReadBytes(0)
		if v, is := bytes.CutPrefix(text, []byte(name+"=")); is {
			return bytes.TrimSuffix(v, []byte{0})
		}
		if err != nil {
			return nil
		}
	}
}

// of is the job of a process, of which the variable may be known; nil if it has none.
func (j JobID) of(n *actor, variable []byte) []byte {
	job := variable
	switch comm, _, _ := bytes.Cut(n.proc.Comm[:], []byte{0}); {
	case j == JobCommUID && n.hasUser && len(comm) > 0:
		job = strconv.AppendUint(append(append(job, comm...), '.'), uint64(n.proc.FSUID), 10)
	case j == JobCgroup && n.proc.Cgroup != 0:
		job = strconv.AppendUint(job, n.proc.Cgroup, 10)
	}
	if len(job) == 0 {
		return nil
	}
	return job[:min(len(job), changelog.JobMax)]
}
