// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package store

import "context"

// Store is where sessions are opened.
type Store interface {
	// Session opens a session.
	Session(ctx context.Context) (Session, error)
	// Close ends all sessions and the store.
	Close() error
}

// Session is a client of a store. It is safe for concurrent use.
type Session interface {
	// ID is the owner of the session's ephemeral nodes.
	ID() int64
	// Create makes a node and returns its path, which of a sequential node ends in
	// its number.
	Create(ctx context.Context, path string, data []byte, mode Mode) (string, error)
	// Set replaces the data of a node of a version, or of AnyVersion.
	Set(ctx context.Context, path string, data []byte, version int32) (Stat, error)
	// Delete removes a node of a version, or of AnyVersion, that has no children.
	Delete(ctx context.Context, path string, version int32) error
	// Multi makes all operations or none.
	Multi(ctx context.Context, ops ...Op) ([]Result, error)
	// Get returns the data of a node, which the caller must not change. A watcher, which
	// may be nil, hears when the node is changed or deleted, if it is there.
	Get(ctx context.Context, path string, w *Watcher) ([]byte, Stat, error)
	// Exists reports whether there is a node. A watcher, which may be nil, hears when it
	// is created, changed or deleted.
	Exists(ctx context.Context, path string, w *Watcher) (Stat, bool, error)
	// Children returns the names of a node's children in no order. A watcher, which may
	// be nil, hears when there are others, or the node is deleted, if it is there.
	Children(ctx context.Context, path string, w *Watcher) ([]string, error)
	// Done is closed when the session has ended.
	Done() <-chan struct{}
	// Close ends the session and removes its ephemeral nodes.
	Close() error
}

// AnyVersion stands for each version of a node.
const AnyVersion int32 = -1

// MaxRequest is the size of the largest transaction, by Size, in bytes.
const MaxRequest = 1_000_000

// Mode is what kind of node is created; modes add up.
type Mode uint8

// Modes.
const (
	Persistent Mode = 0
	Ephemeral  Mode = 1
	Sequential Mode = 2
)

// Stat is what the store knows of a node.
type Stat struct {
	Created  int64 // number of the transaction that made the node
	Modified int64 // number of the transaction that last set its data
	Version  int32 // how often its data was set
	Owner    int64 // the session of an ephemeral node, 0 for others
	Children int   // how many children it has
}

// Kind is what an operation does.
type Kind uint8

// Kinds of operations.
const (
	KindCreate Kind = iota + 1
	KindSet
	KindDelete
	KindCheck
)

func (k Kind) String() string {
	switch k {
	case KindCreate:
		return "create"
	case KindSet:
		return "set"
	case KindDelete:
		return "delete"
	case KindCheck:
		return "check"
	}
	return "unknown operation"
}

// Op is an operation of a transaction. Its fields are those of the methods of Session
// with its name.
type Op struct {
	Kind    Kind
	Path    string
	Data    []byte
	Mode    Mode
	Version int32
}

// Create is the operation that makes a node.
func Create(path string, data []byte, mode Mode) Op {
	return Op{Kind: KindCreate, Path: path, Data: data, Mode: mode}
}

// Set is the operation that replaces the data of a node.
func Set(path string, data []byte, version int32) Op {
	return Op{Kind: KindSet, Path: path, Data: data, Version: version}
}

// Delete is the operation that removes a node.
func Delete(path string, version int32) Op {
	return Op{Kind: KindDelete, Path: path, Version: version}
}

// Check is the operation that changes nothing, and fails if a node is not there or
// not of a version.
func Check(path string, version int32) Op {
	return Op{Kind: KindCheck, Path: path, Version: version}
}

// Result is what an operation of a transaction came to.
type Result struct {
	Path string // of a created node
	Stat Stat   // of a set node
}

// opOverhead is what an operation takes beside its path and data: headers, lengths,
// flags and the access list of the largest one.
const opOverhead = 72

// Size is what operations take of MaxRequest.
func Size(ops ...Op) int {
	n := 0
	for i := range ops {
		n += opOverhead + len(ops[i].Path) + len(ops[i].Data)
	}
	return n
}
