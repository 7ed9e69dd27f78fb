package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"turnstile/central/broker"
	"turnstile/central/database"
	"turnstile/central/fleet"
	"turnstile/central/issuer"
	"turnstile/central/keyring"
	"turnstile/central/lease"
	"turnstile/central/link"
)

// openLeases joins the other centrals of the database.
func (s *central) openLeases(ctx context.Context) error {
	folder, err := folderName(s.config.Data)
	if err != nil {
		return err
	}
	hash := s.issuer.AuthorityHash()
	settings := lease.Settings{Site: s.config.Site, Timezone: s.config.Timezone, Capacity: s.config.Capacity,
		Authority: hex.EncodeToString(hash[:]), Keys: "database"}
	if s.config.Sign.Socket != "" {
		settings.Keys = "socket"
	}
	if e := s.config.Broker.External; e != nil {
		settings.Broker = e.URL
	}
	s.leases, err = lease.Join(ctx, lease.Config{
		DB: s.db, Name: s.config.Name, Folder: folder, Settings: settings, Jobs: []string{lease.Signer, remindersJob},
		Changed: s.leasesChanged, Now: s.config.Now, Log: s.config.Log,
	})
	if errors.Is(err, lease.ErrName) || errors.Is(err, lease.ErrSettings) || errors.Is(err, lease.ErrBroker) {
		err = fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return err
}

// clientID is a central's name as a client of the broker: brokers end a session when
// another begins under its name, and NATS has no dots in one.
func clientID(name string) string {
	if name == "" {
		return fleet.ReservedID
	}
	return fleet.ReservedID + ":" + name
}

// folderFile names a data folder for good, wherever it is moved to.
const folderFile = "folder"

func folderName(data string) (string, error) {
	path := filepath.Join(data, folderFile)
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("name data folder: %w", err)
	}
	name := rand.Text()
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("name data folder: %w", err)
	}
	return name, nil
}

// leasesChanged lets all parts do what this central gained, and leave what it lost.
func (s *central) leasesChanged() {
	if s.feed == nil || s.session == nil {
		return // still opening
	}
	s.session.Resubscribe()
	s.feed.Wake()
	s.fleet.Adopt()
}

// journals are the topics of the journals that this central takes in.
func (s *central) journals() []string {
	topics := link.Topics{Site: s.config.Site}
	var list []string
	for p, mine := range s.leases.Listens() {
		if mine {
			list = append(list, topics.Logs(p))
		}
	}
	if len(list) == link.Partitions {
		return []string{topics.AllLogs()}
	}
	return list
}

// followEvery is how often other centrals' changes are looked for, should the
// database not have told of one.
const followEvery = time.Second

// reconcileEvery is how often what was heard of lanes is compared with what other
// centrals stored.
const reconcileEvery = 5 * time.Second

// follow takes in what other centrals change, until ctx ends.
func (s *central) follow(ctx context.Context) error {
	if !s.db.IsShared() {
		<-ctx.Done()
		return nil
	}
	var watch sync.WaitGroup
	defer watch.Wait()
	changed := make(chan struct{}, 1)
	watch.Go(func() {
		s.db.Watch(ctx, func() { // ends with ctx, and never otherwise
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	})
	tick, compare := time.NewTicker(followEvery), time.NewTicker(reconcileEvery)
	defer tick.Stop()
	defer compare.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		case <-compare.C:
			if err := s.fleet.Reconcile(ctx); err != nil && ctx.Err() == nil {
				s.config.Log.Warn("follow the other centrals", "error", err)
			}
		}
		s.feed.Wake()
		if err := errors.Join(s.fleet.Refresh(ctx), s.followKeys(ctx)); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("follow the other centrals", "error", err)
		}
	}
}

// followKeys takes in keys that another central made or withdrew. What this one had
// signed with a withdrawn key while it did not know is re-issued.
func (s *central) followKeys(ctx context.Context) error {
	ring, ok := s.issuer.(*keyring.Ring)
	if !ok {
		return nil
	}
	changed, err := ring.Follow(ctx)
	if changed && err == nil {
		s.finishWithdrawals(ctx)
	}
	return err
}

// openRing opens the keys that all centrals of a database share. What the operator
// has to do first is an ErrConfig.
func (c *Config) openRing(ctx context.Context, db *database.DB, phrase []byte) (*keyring.Ring, error) {
	o, err := c.keyOptions(phrase)
	if err != nil {
		return nil, err
	}
	r, err := keyring.Open(ctx, keyring.Config{DB: db, Options: o, Log: c.Log})
	var wants *issuer.NoDelegation
	if errors.Is(err, issuer.ErrPassphrase) || errors.As(err, &wants) || errors.Is(err, keyring.ErrForeign) {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return r, err
}

// centrals returns the common names of this central, of those that run on the
// database, and of others.
func (c *Config) centrals(ctx context.Context, db *database.DB, others []string) ([]string, error) {
	list := []string{issuer.CentralNamed(c.Name)}
	for _, name := range others {
		if !link.ValidID(name) {
			return nil, fmt.Errorf("%w: a central's name is 1 to 32 of A-Z a-z 0-9 _ -, not %.40q", ErrConfig, name)
		}
		list = append(list, issuer.CentralNamed(name))
	}
	running, err := db.Centrals(ctx)
	if err != nil {
		return nil, fmt.Errorf("list centrals: %w", err)
	}
	for _, r := range running {
		list = append(list, issuer.CentralNamed(r.Name))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// NATSOptions say where the nodes of a NATS cluster are.
type NATSOptions struct {
	Hosts    []string // of the nodes, as lanes and the other nodes reach them
	MQTT     int      // port of lanes and centrals
	Cluster  int      // port of the nodes among themselves
	Client   int      // port of NATS' own protocol on loopback
	Centrals []string // names of centrals that do not run yet
}

// NATSCluster writes all files that the nodes of a NATS cluster need to serve this
// central's site into dir, a folder each, and returns their configurations. Nodes of
// the same host have ports that follow one another. Written again after a lane was
// added or removed, and reloaded, they let it in or throw it out.
func NATSCluster(ctx context.Context, c Config, dir string, o NATSOptions) ([]string, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	phrase, err := c.phrase()
	if err != nil {
		return nil, err
	}
	db, err := c.OpenDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	i, closeKeys, err := c.openService(ctx, db, phrase, func(string) {}) // the error says it
	if err != nil {
		return nil, err
	}
	defer closeKeys()
	cluster := broker.NATSCluster{Site: c.Site, Authority: i.Authority()}
	if cluster.Centrals, err = c.centrals(ctx, db, o.Centrals); err != nil {
		return nil, err
	}
	lanes, err := db.Lanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list lanes: %w", err)
	}
	for _, l := range lanes {
		cluster.Lanes = append(cluster.Lanes, l.ID)
	}
	for n, host := range o.Hosts {
		before := 0 // nodes on this host
		for _, h := range o.Hosts[:n] {
			if h == host {
				before++
			}
		}
		node := broker.NATSNode{Host: host, MQTT: o.MQTT + before, Cluster: o.Cluster + before, Client: o.Client + before}
		if node.Server, err = issuer.ServerCertificate(i, []string{host}, c.Now()); err != nil {
			return nil, err
		}
		cluster.Nodes = append(cluster.Nodes, node)
	}
	return broker.NATSFiles(dir, cluster)
}

// NATSBroker is what broker.external.url is set to for such a cluster.
func NATSBroker(o NATSOptions) string {
	var list []string
	on := map[string]int{}
	for _, host := range o.Hosts {
		list = append(list, "ssl://"+net.JoinHostPort(host, strconv.Itoa(o.MQTT+on[host])))
		on[host]++
	}
	return strings.Join(list, ",")
}
