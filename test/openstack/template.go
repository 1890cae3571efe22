// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Save writes the databases and keys of a cloud that is down to a file, from
// which Up makes another cloud without migrations and seeding.
func (c *Cloud) Save(ctx context.Context, file string) error {
	return c.locked(ctx, func() error {
		leaders, err := c.procs.leaders()
		if err != nil {
			return err
		}
		if len(leaders) > 0 {
			return fault.New(fault.Conflict, "openstack: save %s: it is up; bring it down first", c.dir)
		}
		if err := c.readSeed(); err != nil {
			return err
		}
		if err := pack(ctx, c.path("db"), file+".new"); err != nil {
			return errors.Join(err, os.Remove(file+".new"))
		}
		if err := os.Rename(file+".new", file); err != nil {
			return fmt.Errorf("openstack: save %s: %w", c.dir, err)
		}
		return nil
	})
}

func pack(ctx context.Context, dir, file string) (err error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("openstack: save %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("openstack: save %s: %w", dir, err)
	}
	t := tar.NewWriter(z)
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return packFile(t, dir, path, e)
	}); err != nil {
		return fmt.Errorf("openstack: save %s: %w", dir, err)
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return fmt.Errorf("openstack: save %s: %w", dir, err)
	}
	return nil
}

// packFile adds a directory or a plain file; there is nothing else.
func packFile(t *tar.Writer, root, path string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil || (!info.IsDir() && !info.Mode().IsRegular()) {
		return err
	}
	h, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	if h.Name, err = filepath.Rel(root, path); err != nil {
		return err
	}
	if err := t.WriteHeader(h); err != nil || info.IsDir() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(t, f)
	return err
}

// unpack makes the databases from the template, when one is given and there are none.
func (c *Cloud) unpack() error {
	if c.template == "" {
		return nil
	}
	entries, err := os.ReadDir(c.path("db"))
	if err != nil {
		return fmt.Errorf("openstack: unpack %s: %w", c.template, err)
	}
	if len(entries) > 0 {
		return nil
	}
	fresh := c.path("db.new")
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("openstack: unpack %s: %w", c.template, err)
	}
	if err := extract(c.template, fresh); err != nil {
		return fmt.Errorf("openstack: unpack %s: %w", c.template, err)
	}
	if err := errors.Join(os.Remove(c.path("db")), os.Rename(fresh, c.path("db"))); err != nil {
		return fmt.Errorf("openstack: unpack %s: %w", c.template, err)
	}
	c.step("the template is unpacked")
	return nil
}

func extract(file, dir string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	z, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Nothing in the archive can reach beyond the directory.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := extractFile(root, t, h); err != nil {
			return err
		}
	}
}

func extractFile(root *os.Root, t io.Reader, h *tar.Header) error {
	mode := h.FileInfo().Mode()
	if mode.IsDir() {
		err := root.Mkdir(h.Name, mode.Perm())
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, t)
	return errors.Join(err, f.Close())
}
