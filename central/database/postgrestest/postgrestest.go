// Package postgrestest gives tests databases on a real PostgreSQL.
//
// The server is Debian's package postgresql-15, started once for a test program,
// on a Unix socket in a temporary folder of its own. It ends with the test
// program, however that ends, and the folder goes with it. It keeps nothing on
// the disk that a power cut would need (fsync is off).
package postgrestest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
)

// Server is a running PostgreSQL.
type Server struct {
	folder string
	keeper *exec.Cmd // the shell that ends the server
	in     io.Closer // its standing standard input
	mu     sync.Mutex
	made   int // databases; mu guards it
}

// programs is where Debian puts the server's programs.
const programs = "/usr/lib/postgresql/15/bin"

// script makes the server's folder $1 and starts it, says ready, and ends it when
// the standard input ends: with the test program, also one that was killed. The
// collation is one that does not sort by bytes, as many servers' is: what depends
// on that is found here.
const script = `
cd "$1" || exit 1
trap '' INT TERM
umask 077
PATH="$2:$PATH"
if initdb --no-sync --auth=trust --username=turnstile --encoding=UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en data >log 2>&1 &&
	pg_ctl start --silent --wait --pgdata data --log log --options "-k '$1' -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200$3"
then echo ready; cat >/dev/null
else cat log
fi
[ -f data/postmaster.pid ] && pg_ctl stop --silent --mode immediate --pgdata data
cd / && rm -rf "$1"
`

var shared = sync.OnceValues(func() (*Server, error) { return Start() })

// ErrMissing tells that there is no server on this machine.
var ErrMissing = errors.New("PostgreSQL 15 is not there: make deps installs postgresql-15")

// Start starts a server of one's own, for tests that stop it; others call URL.
// settings are the server's, as fsync=on.
func Start(settings ...string) (*Server, error) {
	if _, err := os.Stat(filepath.Join(programs, "initdb")); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	folder, err := os.MkdirTemp("/tmp", "postgrestest-") // a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	more := ""
	for _, s := range settings {
		more += " -c " + s
	}
	cmd := exec.Command("sh", "-c", script, "sh", folder, programs, more)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := unprivileged(cmd, folder); err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		rest, readErr := io.ReadAll(out)
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %s%s", line, rest), err, readErr, cmd.Wait())
	}
	return &Server{folder: folder, keeper: cmd, in: in}, nil
}

// unprivileged lets the command run as somebody whom PostgreSQL accepts: it
// refuses to run as root.
func unprivileged(cmd *exec.Cmd, folder string) error {
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(who.Gid)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	cmd.Dir = "/"
	return os.Chown(folder, uid, gid)
}

// URL returns the URL of a new empty database on the test program's server. It
// goes when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL(t)
}

// URL returns the URL of a new empty database, which goes when the test ends.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.made++
	name := fmt.Sprintf("test_%d", s.made)
	s.mu.Unlock()
	where, err := s.Create(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return where
}

// Create makes an empty database of that name, a plain word, and returns its URL.
func (s *Server) Create(ctx context.Context, name string) (string, error) {
	return s.url(name), s.exec(ctx, "CREATE DATABASE "+name)
}

func (s *Server) url(database string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("turnstile"), Path: "/" + database, RawQuery: url.Values{"host": {s.folder}}.Encode()}).String()
}

func (s *Server) exec(ctx context.Context, statement string) error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// Stop ends the server at once, in the middle of what it does, and waits until it
// is gone.
func (s *Server) Stop() error { return errors.Join(s.in.Close(), s.keeper.Wait()) }
