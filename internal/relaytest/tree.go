// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// File is the content of a stored file in brief.
type File struct {
	Size   int64
	SHA256 string // hexadecimal
}

// Tree reads all files below dir, by their path there. A path that ends with a
// slash is an empty directory.
func Tree(t testing.TB, dir string) map[string]File {
	t.Helper()
	tree := make(map[string]File)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			inside, err := os.ReadDir(path)
			if err == nil && len(inside) == 0 && name != "." {
				tree[name+"/"] = File{}
			}
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		tree[name] = File{Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
		return nil
	})
	if err != nil {
		t.Fatalf("read the output: %v", err)
	}
	return tree
}
