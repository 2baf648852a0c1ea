// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
)

// TreeRequest asks an agent about objects of a directory of its host, as they are now.
// Administrators may.
type TreeRequest struct {
	Dir string         `json:"dir" doc:"The directory, on a file system that can be watched."`
	Ask []TreeQuestion `json:"ask" maxItems:"1000"`
}

// TreeQuestion is one question, about the object of a FID.
type TreeQuestion struct {
	Op     TreeOp `json:"op" enum:"top,lookup,look,where,alive,list,stat,xattrs,content"`
	FID    string `json:"fid,omitempty" doc:"As in records; absent for top."`
	Name   []byte `json:"name,omitempty" doc:"A name in the directory, for lookup and look; for list: the one behind which the names are told."`
	Length int64  `json:"length,omitempty" minimum:"0" maximum:"1048576" doc:"How many bytes of a file, for content. All files of a request are 8 MiB at most."`
}

// TreeOp says what is asked.
type TreeOp string

// Questions.
const (
	AskTop    TreeOp = "top"    // FID of the directory itself
	AskLookUp TreeOp = "lookup" // FID of a name; absent if it stands for nothing
	AskLook   TreeOp = "look"   // lookup, stat and xattrs of a name
	AskWhere  TreeOp = "where"  // FID of the parent, and the name, of a directory; absent if it is gone or outside
	AskAlive  TreeOp = "alive"  // whether an object has a name, within the directory if that can be told
	AskList   TreeOp = "list"   // names in a directory, in the order of bytes
	AskStat   TreeOp = "stat"   // what stat tells, and the target of a symbolic link
	AskXattrs TreeOp = "xattrs" // extended attributes
	// AskContent is what a file begins with, and what stat told before that was read.
	AskContent TreeOp = "content"
)

// TreeAnswer answers a question.
type TreeAnswer struct {
	Gone    bool   `json:"gone,omitempty" doc:"There is no such object any more."`
	Covered bool   `json:"covered,omitempty" doc:"Something is mounted on the name."`
	Error   string `json:"error,omitempty"`

	FID    string            `json:"fid,omitempty"`
	Name   []byte            `json:"name,omitempty"`
	Names  [][]byte          `json:"names,omitempty"`
	More   bool              `json:"more,omitempty" doc:"The directory has more names, behind the last one."`
	Alive  bool              `json:"alive,omitempty"`
	Stat   *TreeStat         `json:"stat,omitempty"`
	Link   []byte            `json:"link,omitempty"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"`

	Content []byte `json:"content,omitempty"`
}

// TreeStat is what stat tells; times are in nanoseconds since 1970.
type TreeStat struct {
	Mode  uint32 `json:"mode"`
	Links uint32 `json:"nlink"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Rdev  uint64 `json:"rdev,omitempty"`
	Size  int64  `json:"size"`
	Atime int64  `json:"atime,string"`
	Mtime int64  `json:"mtime,string"`
	Ctime int64  `json:"ctime,string"`
}

type treeAnswers struct {
	Answers []TreeAnswer `json:"answers"`
}

// Tree asks about objects of a directory, by HTTP only. The answers are in the order of
// the questions. The error is ErrGone where the agent has not answered.
func (c *Client) Tree(ctx context.Context, r TreeRequest) ([]TreeAnswer, error) {
	if c.web == nil {
		return nil, fmt.Errorf("objects by the local socket: %w", errors.ErrUnsupported)
	}
	var all treeAnswers
	if err := c.web.do(ctx, webRequest{method: "POST", path: "/feed-tree", body: r}, &all); err != nil {
		return nil, gone(ctx, err)
	}
	if len(all.Answers) != len(r.Ask) {
		return nil, fmt.Errorf("POST /feed-tree: got %d answers, want %d", len(all.Answers), len(r.Ask))
	}
	return all.Answers, nil
}

// TreeContent reads what is in a file of a directory, from an offset on and so many bytes
// at most, by HTTP only. The error is ErrGone where the agent has not answered.
func (c *Client) TreeContent(ctx context.Context, dir, fid string, offset, length int64) (io.ReadCloser, error) {
	if c.web == nil {
		return nil, fmt.Errorf("contents by the local socket: %w", errors.ErrUnsupported)
	}
	query := url.Values{
		"dir": {dir}, "fid": {fid}, "offset": {strconv.FormatInt(offset, 10)}, "length": {strconv.FormatInt(length, 10)},
	}
	answer, err := c.web.send(ctx, webRequest{method: "GET", path: "/feed-tree/content?" + query.Encode()})
	if err != nil {
		return nil, gone(ctx, err)
	}
	return answer.Body, nil
}

// Remote reports whether the agent is asked by HTTP: it may be another host's.
func (c *Client) Remote() bool { return c.web != nil }
