//go:build linux

// Package slowdisk mounts a disk whose syncs or writes take as long as a test wants, for all programs that use it. It is a file
// system of FUSE, which keeps its files in a directory.
package slowdisk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Disk is a mounted disk. Only the directory of its root can be used by the process of the test itself.
type Disk struct {
	Dir string // where it is mounted

	fault atomic.Pointer[fault] // nil: there is none
	syncs atomic.Int64
}

// fault makes some of the syncs slow, or each write.
type fault struct {
	every int64 // 1: all syncs; 10: each tenth; 0: none, but writes
	takes time.Duration
}

// Mount mounts a disk that keeps its files in a directory, for all users. It is unmounted when the test ends.
func Mount(t testing.TB, files string) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir()}
	root := &node{&fs.LoopbackNode{RootData: &fs.LoopbackRoot{Path: files}}, d}
	root.RootData.RootNode = root
	server, err := fs.Mount(d.Dir, root, &fs.Options{MountOptions: fuse.MountOptions{
		AllowOther: true, DirectMountStrict: true, FsName: "bellhop-slowdisk", Options: []string{"default_permissions"},
	}})
	require.NoError(t, err, "This test mounts a disk with FUSE, which needs root on Linux, and in a container --privileged")
	t.Cleanup(func() {
		abort(t, d.Dir)
		require.NoError(t, server.Unmount(), "unmount %s", d.Dir)
	})
	return d
}

// abort ends the connection of the kernel to the server of a mounted disk. Otherwise the server would run as long as any
// mount namespace has a copy of the mount, such as those that "ip netns exec" of other tests makes.
func abort(t testing.TB, dir string) {
	t.Helper()
	info, err := os.Stat(dir)
	require.NoError(t, err)
	number := unix.Minor(info.Sys().(*syscall.Stat_t).Dev) //nolint:forcetypeassert // that of Linux
	control := t.TempDir()
	require.NoError(t, unix.Mount("fusectl", control, "fusectl", 0, ""))
	aborted := os.WriteFile(filepath.Join(control, strconv.FormatUint(uint64(number), 10), "abort"), []byte("1"), 0)
	require.NoError(t, errors.Join(aborted, unix.Unmount(control, unix.MNT_DETACH)))
}

// Slow makes one of a number of syncs take at least this long, from now on: 1 is each, 10 each tenth.
func (d *Disk) Slow(every int64, takes time.Duration) { d.fault.Store(&fault{every, takes}) }

// SlowWrites makes each write take at least this long, from now on. A program writes some kilobytes at a time.
func (d *Disk) SlowWrites(takes time.Duration) { d.fault.Store(&fault{0, takes}) }

// Repair ends the fault.
func (d *Disk) Repair() { d.fault.Store(nil) }

// sync takes the time of a sync.
func (d *Disk) sync() {
	if f := d.fault.Load(); f != nil && f.every > 0 && d.syncs.Add(1)%f.every == 0 {
		<-time.After(f.takes) // that is the fault
	}
}

// write takes the time of a write.
func (d *Disk) write() {
	if f := d.fault.Load(); f != nil && f.every == 0 {
		<-time.After(f.takes) // that is the fault
	}
}

// node is a file or a directory.
type node struct {
	*fs.LoopbackNode

	disk *Disk
}

var (
	_ fs.NodeWrapChilder = (*node)(nil)
	_ fs.NodeCreater     = (*node)(nil)
	_ fs.NodeOpener      = (*node)(nil)
)

// WrapChild implements fs.NodeWrapChilder.
func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	if loopback, ok := child.(*fs.LoopbackNode); ok {
		return &node{loopback, n.disk}
	}
	return child
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, handle, options, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	return inode, n.wrap(handle, flags), options, errno
}

// Open implements fs.NodeOpener.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	handle, options, errno := n.LoopbackNode.Open(ctx, flags)
	return n.wrap(handle, flags), options, errno
}

func (n *node) wrap(handle fs.FileHandle, flags uint32) fs.FileHandle {
	loopback, ok := handle.(*fs.LoopbackFile)
	if !ok {
		return handle
	}
	return &file{LoopbackFile: loopback, disk: n.disk, synced: flags&syscall.O_DSYNC != 0}
}

// file is an open file.
type file struct {
	*fs.LoopbackFile

	disk   *Disk
	synced bool // each write is: opened with O_SYNC or O_DSYNC
}

// Write implements fs.FileWriter.
func (f *file) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	f.disk.write()
	if f.synced {
		f.disk.sync()
	}
	return f.LoopbackFile.Write(ctx, data, offset)
}

// Fsync implements fs.FileFsyncer. Some kernels call it after each write that must be synced, others do not.
func (f *file) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if !f.synced {
		f.disk.sync()
	}
	return f.LoopbackFile.Fsync(ctx, flags)
}

// PassthroughFd implements fs.FilePassthroughFder: the kernel must not write without calling Write.
func (*file) PassthroughFd() (int, bool) { return 0, false }
