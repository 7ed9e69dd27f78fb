package fleet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"turnstile/central/broker"
	"turnstile/central/issuer"
	"turnstile/simulator/site"
)

// bareSite names the site of a bare broker.
const bareSite = "bare"

// ServeBare serves central's embedded broker and nothing else until ctx ends, with
// the keys in a folder that Run has made; it writes its port there.
func ServeBare(ctx context.Context, folder string) error {
	i, err := openBare(folder)
	if err != nil {
		return err
	}
	own, err := i.ServerCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		return err
	}
	authority := x509.NewCertPool()
	authority.AddCert(i.Authority())
	port, err := os.ReadFile(filepath.Join(folder, "port"))
	if err != nil {
		port = []byte("0")
	}
	e, err := broker.Start(broker.Config{
		Site: bareSite, Listen: "127.0.0.1:" + string(port), Store: filepath.Join(folder, "store"), Central: issuer.CentralName,
		TLS: &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: authority}, Log: slog.New(slog.DiscardHandler),
		Allow: func(string, *x509.Certificate) bool { return true },
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "port"), []byte(strconv.Itoa(e.Port())), 0o600); err != nil {
		return fmt.Errorf("tell the port: %w", err)
	}
	return e.Run(ctx)
}

// openBare opens the keys of a bare site, or makes them.
func openBare(folder string) (*issuer.Issuer, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	file := filepath.Join(folder, "passphrase")
	phrase, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		phrase = []byte(rand.Text())
		err = os.WriteFile(file, phrase, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("keep passphrase: %w", err)
	}
	return issuer.Open(filepath.Join(folder, "keys"), bareSite, phrase, time.Now())
}

// process is the bare broker's.
type process struct {
	cmd  *exec.Cmd
	addr string
}

// startBare starts a bare broker, the first time on a free port, later on the same.
func (r *run) startBare(ctx context.Context, folder string, i *issuer.Issuer, addr string) (*process, error) {
	p := &process{addr: addr}
	if r.Mosquitto != "" {
		if addr == "" {
			if err := p.prepare(folder, i); err != nil {
				return nil, err
			}
		}
		p.cmd = exec.Command(r.Mosquitto, "-c", filepath.Join(folder, "mosquitto", "mosquitto.conf"))
	} else {
		p.cmd = exec.Command(filepath.Join(r.Programs, "simulator"), "broker", folder)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bare broker: %w", err)
	}
	for range 600 {
		if p.listens(folder) {
			return p, nil
		}
		wait(ctx, 50*time.Millisecond)
	}
	p.kill()
	return nil, fmt.Errorf("start bare broker: %w", os.ErrDeadlineExceeded)
}

// listens finds out where it listens, and whether.
func (p *process) listens(folder string) bool {
	if p.addr == "" {
		port, err := os.ReadFile(filepath.Join(folder, "port"))
		if err != nil || len(port) == 0 {
			return false
		}
		p.addr = "127.0.0.1:" + string(port)
	}
	c, err := net.DialTimeout("tcp", p.addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) kill() {
	p.cmd.Process.Kill() // an ended process has nothing left to kill
	p.cmd.Wait()         // how it ended is known
}

// prepare writes a mosquitto's files, for a port that is free now.
func (p *process) prepare(folder string, i *issuer.Issuer) error {
	port, err := site.FreePorts(1)
	if err != nil {
		return fmt.Errorf("find a port for the broker: %w", err)
	}
	p.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	server, err := i.ServerCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		return err
	}
	client, err := i.CentralCertificate(time.Now())
	if err != nil {
		return err
	}
	revoked, err := i.RevocationList(nil, time.Now())
	if err != nil {
		return err
	}
	conf, err := broker.MosquittoFiles(filepath.Join(folder, "mosquitto"), broker.Mosquitto{Site: bareSite, Centrals: []string{issuer.CentralName},
		Port: portIn(p.addr), Authority: i.Authority(), Server: server, Client: client, Revoked: revoked})
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	f, err := os.OpenFile(conf, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open mosquitto.conf: %w", err)
	}
	_, err = f.WriteString("\nuser root\n") // as its own user it could not read files in a private folder
	return errors.Join(err, f.Close())
}
