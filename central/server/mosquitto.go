package server

import (
	"context"
	"fmt"
	"math/big"

	"turnstile/central/broker"
	"turnstile/central/database"
	"turnstile/central/issuer"
)

// Mosquitto writes all files that a mosquitto needs to serve this central's
// site on a port, reached under hosts, into dir, and returns the path of its
// mosquitto.conf. centrals names those of several centrals that it cannot know: it
// knows its own and those that run. It can run beside a server. Written again after a lane was
// removed, they refuse that lane's certificate.
func Mosquitto(ctx context.Context, c Config, dir string, hosts []string, port int, centrals ...string) (string, error) {
	if err := c.complete(); err != nil {
		return "", err
	}
	phrase, err := c.phrase()
	if err != nil {
		return "", err
	}
	now := c.Now()
	db, err := c.OpenDatabase(ctx)
	if err != nil {
		return "", err
	}
	defer db.Close()
	i, closeKeys, err := c.openService(ctx, db, phrase, func(string) {}) // the error says it
	if err != nil {
		return "", err
	}
	defer closeKeys()
	m := broker.Mosquitto{Site: c.Site, Port: port, Authority: i.Authority()}
	if m.Centrals, err = c.centrals(ctx, db, centrals); err != nil {
		return "", err
	}
	if m.Server, err = issuer.ServerCertificate(i, hosts, now); err != nil {
		return "", err
	}
	if m.Client, err = issuer.NamedCertificate(i, c.Name, now); err != nil {
		return "", err
	}
	if m.Revoked, err = revoked(ctx, db, i, c); err != nil {
		return "", err
	}
	return broker.MosquittoFiles(dir, m)
}

func revoked(ctx context.Context, db *database.DB, i issuer.Service, c Config) ([]byte, error) {
	rows, err := db.RemovedCertificates(ctx, c.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read removed certificates: %w", err)
	}
	var serials []*big.Int
	for _, r := range rows {
		n, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok {
			return nil, fmt.Errorf("%w: serial %q", database.ErrDamaged, r.Serial)
		}
		serials = append(serials, n)
	}
	return i.RevocationList(serials, c.Now())
}
