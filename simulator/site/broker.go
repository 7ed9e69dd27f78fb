package site

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// StartBroker starts a stock mosquitto with the files that central writes for
// it, the first time on a free port, later on the same.
func (s *Site) StartBroker() error {
	if s.brokerAddr == "" {
		if err := s.prepareBroker(); err != nil {
			return err
		}
	}
	p, err := start(s.config.Mosquitto, "mosquitto", s.path("logs"), nil, "-c", s.path("mosquitto", "mosquitto.conf"))
	if err != nil {
		return err
	}
	s.broker = p
	return p.await("listener", startLimit, func() bool {
		c, err := net.DialTimeout("tcp", s.brokerAddr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Broker returns the mosquitto's process, nil with central's own broker.
func (s *Site) Broker() *Process { return s.broker }

func (s *Site) prepareBroker() error {
	port, err := FreePorts(1)
	if err != nil {
		return fmt.Errorf("find a port for the broker: %w", err)
	}
	if err := s.configureCentral(); err != nil {
		return err
	}
	s.brokerAddr = fmt.Sprintf("127.0.0.1:%d", port)
	return s.writeBroker()
}

// writeBroker has central write the mosquitto's files.
func (s *Site) writeBroker() error {
	_, port, err := net.SplitHostPort(s.brokerAddr)
	if err != nil {
		return fmt.Errorf("read broker's address: %w", err)
	}
	_, err = run(s.program("central"), nil, "", "mosquitto", "--config", s.path("central", "central.yaml"),
		"--out", s.path("mosquitto"), "--host", "127.0.0.1", "--port", port)
	if err != nil {
		return err
	}
	return s.keepRoot()
}

// ReloadBroker has central write the mosquitto's files anew and the mosquitto
// read them, as an operator does after a lane was removed or renewed.
func (s *Site) ReloadBroker() error {
	if err := s.writeBroker(); err != nil {
		return err
	}
	if err := syscall.Kill(s.broker.PID(), syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload mosquitto: %w", err)
	}
	return nil
}

// keepRoot has a mosquitto that root starts stay root: as its own user it could
// not read files in a private folder. Installations give it the files instead.
func (s *Site) keepRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	f, err := os.OpenFile(s.path("mosquitto", "mosquitto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open mosquitto.conf: %w", err)
	}
	_, err = f.WriteString("\nuser root\n")
	return errors.Join(err, f.Close())
}
