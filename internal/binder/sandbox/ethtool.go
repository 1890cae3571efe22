// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is struct ethtool_value of linux/ethtool.h.
type ethtoolValue struct {
	cmd, data uint32
}

// setTxChecksum does what `ethtool -K name tx on|off` does: the kernel also
// drops the offloads that need checksumming (TSO). It must run in the
// interface's namespace.
func setTxChecksum(name string, on bool) error {
	v := ethtoolValue{cmd: unix.ETHTOOL_STXCSUM}
	if on {
		v.data = 1
	}
	_, err := ethtool(name, v)
	return err
}

// txChecksum tells whether transmit checksum offload is on.
func txChecksum(name string) (bool, error) {
	v, err := ethtool(name, ethtoolValue{cmd: unix.ETHTOOL_GTXCSUM})
	return v.data != 0, err
}

func ethtool(name string, v ethtoolValue) (ethtoolValue, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return v, fmt.Errorf("open socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	ifr := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&v)}
	copy(ifr.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr))); errno != 0 {
		return v, errno
	}
	return v, nil
}
