// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

// Limits of a record, in bytes. The encoders cut what is longer, which only a path
// can be that comes from a file system; the decoders refuse it.
const (
	RecordMax = 64 << 10 // in native form
	PathMax   = 32767    // of a path; longer ones are cut and the record has PathCut
	NameMax   = 255      // of a name, and of the name of an extended attribute
	LinkMax   = 4095     // of the target of a symbolic link
	JobMax    = 31       // of a job

	// pathsMax is the limit of both paths of a record together. The rest of a record,
	// whatever it has, takes less than RecordMax-pathsMax.
	pathsMax = 52 << 10
)

// paths returns the paths as they fit into a record and whether one of them is, or
// was before, longer.
func (r *Record) paths() (path, source []byte, cut bool) {
	path, source, cut = r.Path, r.SourcePath, r.Has&PathCut != 0
	if len(path) <= PathMax && len(source) <= PathMax && len(path)+len(source) <= pathsMax {
		return path, source, cut
	}
	path, source = limit(path, PathMax), limit(source, PathMax)
	if len(path)+len(source) > pathsMax {
		path, source = limit(path, pathsMax/2), limit(source, pathsMax/2)
	}
	return path, source, true
}

// limit cuts a text. The capacity goes with it, so that nobody appends to the rest.
func limit(text []byte, most int) []byte {
	if len(text) <= most {
		return text
	}
	return text[:most:most]
}
