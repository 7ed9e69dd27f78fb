package power

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"turnstile/simulator/machine/disk"
)

// plugged is a disk with its socket.
type plugged struct {
	*disk.Disk
	socket string
	folder string
	stop   context.CancelFunc
	ended  chan error
}

// plugDisk serves a disk with this content until unplug.
func plugDisk(image []byte) (*plugged, error) {
	folder, err := os.MkdirTemp("/tmp", "power-") // a socket's path has at most 107 bytes
	if err != nil {
		return nil, fmt.Errorf("make folder of disk: %w", err)
	}
	p := &plugged{Disk: disk.New(image), socket: filepath.Join(folder, "nbd"), folder: folder, ended: make(chan error, 1)}
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve disk: %w", err), os.RemoveAll(folder))
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() { p.ended <- p.Run(ctx, l) }()
	return p, nil
}

func (p *plugged) unplug() error {
	p.stop()
	return errors.Join(<-p.ended, os.RemoveAll(p.folder))
}
